#include "app/admin_client.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace frontdesk;
using namespace frontdesk::app;
namespace fs = std::filesystem;

/// A whole node as a process, as an operator sees it.
namespace {

/// `frontdesk serve` on free ports, its log read line by line.
class node_process {
public:
  explicit node_process(const std::vector<std::string>& arguments) {
    std::array<int, 2> log{};
    if (pipe2(log.data(), O_CLOEXEC) != 0)
      return;
    std::vector<std::string> words{FRONTDESK_EXECUTABLE, "serve", "--log-format", "json"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    process_ = fork();
    if (process_ == 0) {
      dup2(log[1], STDERR_FILENO);
      std::vector<char*> argv;
      for (auto& word : words)
        argv.push_back(word.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(log[1]);
    log_ = fdopen(log[0], "r");
  }

  node_process(const node_process&) = delete;
  node_process& operator=(const node_process&) = delete;

  ~node_process() {
    if (process_ > 0) {
      kill(process_, SIGKILL);
      waitpid(process_, nullptr, 0);
    }
    fclose(log_);
  }

  /// Reads the log up to the line with this message; an empty object when the log ends before it.
  boost::json::object wait_for(const std::string& message) {
    std::array<char, 65536> line{};
    while (fgets(line.data(), line.size(), log_)) {
      boost::json::error_code failure;
      const auto value = boost::json::parse(line.data(), failure);
      if (failure || !value.is_object())
        continue;
      seen_ += line.data();
      if (value.at("msg").as_string() == message)
        return value.as_object();
    }
    return {};
  }

  /// True once it is ready; then the ports are known.
  bool ready() {
    const auto line = wait_for("ready");
    if (line.empty())
      return false;
    admin_port_
      = static_cast<std::uint16_t>(std::stoi(std::string(line.at("admin_port").as_string())));
    return true;
  }

  void signal(int number) const { kill(process_, number); }

  /// The exit code, -1 for a death by signal.
  int wait() {
    wait_for("no such line"); // to the end: a full pipe must not hold it up
    int status = 0;
    waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  domain::result<http_answer> get(const std::string& target) const {
    http_question question;
    question.port = admin_port_;
    question.target = target;
    return exchange(question);
  }

  std::uint16_t admin_port() const { return admin_port_; }

  const std::string& seen() const { return seen_; }

private:
  pid_t process_ = -1;
  FILE* log_ = nullptr;
  std::uint16_t admin_port_ = 0;
  std::string seen_;
};

class serve : public testing::Test {
protected:
  serve() {
    std::string pattern = (fs::temp_directory_path() / "frontdesk-serve-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }

  ~serve() override { fs::remove_all(folder_); }

  std::string data() const { return (folder_ / "data").string(); }

  std::vector<std::string> arguments() const {
    return {"--data", data(), "--address", "127.0.0.1", "--port", "0", "--admin-port", "0"};
  }

  /// What a verb prints, against this node; nothing if it fails.
  std::string ask(const node_process& node, const std::string& verb) const {
    const auto line = std::string(FRONTDESK_EXECUTABLE) + " " + verb + " --data '" + data()
                      + "' --admin-port " + std::to_string(node.admin_port()) + " 2> /dev/null";
    FILE* program = popen(line.c_str(), "r");
    std::string out;
    std::array<char, 4096> block{};
    for (std::size_t size = 0; (size = fread(block.data(), 1, block.size(), program)) > 0;)
      out.append(block.data(), size);
    return pclose(program) == 0 ? out : "";
  }

  fs::path folder_;
};

} // namespace

TEST_F(serve, answers_health_and_metrics_and_drains_with_exit_code_0) {
  node_process node{arguments()};
  ASSERT_TRUE(node.ready()) << node.seen();
  EXPECT_EQ(node.get("/livez")->status, 200u);
  const auto ready = node.get("/readyz");
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 200u) << ready->body;
  EXPECT_EQ(boost::json::parse(ready->body).at("checks").at("store").at("status").as_string(),
            "pass");
  EXPECT_EQ(node.get("/nothing")->status, 404u);
  EXPECT_EQ(node.get("/v1/admin/accounts")->status, 401u);
  const auto metrics = node.get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_NE(metrics->body.find("\nfrontdesk_commits_total "), std::string::npos);
  if (std::system("command -v promtool > /dev/null 2>&1") == 0) {
    FILE* tool = popen("promtool check metrics > /dev/null 2>&1", "w");
    fwrite(metrics->body.data(), 1, metrics->body.size(), tool);
    EXPECT_EQ(pclose(tool), 0) << "run promtool check metrics";
  }
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(), 0) << node.seen();
  EXPECT_NE(node.seen().find("\"drained\""), std::string::npos);
}

TEST_F(serve, keeps_accounts_over_a_restart) {
  std::string before;
  {
    node_process node{arguments()};
    ASSERT_TRUE(node.ready()) << node.seen();
    EXPECT_GT(ask(node, "account create Ann").size(), 40u) << "a token";
    EXPECT_FALSE(ask(node, "account create Bo --role supervisor --json").empty());
    EXPECT_EQ(ask(node, "account create ''"), "");
    EXPECT_EQ(ask(node, "account disable Nobody"), "");
    ask(node, "account disable Bo");
    EXPECT_FALSE(ask(node, "inbox create Shop --origin https://shop.example").empty());
    const auto tenant = ask(node, "tenant create Other");
    EXPECT_EQ(tenant, "2\n");
    EXPECT_FALSE(ask(node, "account create Cy --tenant 2").empty());
    EXPECT_EQ(ask(node, "account list --tenant 1").find("Cy"), std::string::npos);
    before = ask(node, "account list --json") + ask(node, "inbox list --json");
    node.signal(SIGKILL);
    EXPECT_EQ(node.wait(), -1);
  }
  node_process node{arguments()};
  ASSERT_TRUE(node.ready()) << node.seen();
  const auto rows = boost::json::parse(ask(node, "account list --json")).as_array();
  ASSERT_EQ(rows.size(), 2u);
  for (const auto& row : rows)
    EXPECT_EQ(row.at("disabled").as_bool(), row.at("name").as_string() == "Bo");
  EXPECT_EQ(ask(node, "account list --json") + ask(node, "inbox list --json"), before);
  node.signal(SIGINT);
  EXPECT_EQ(node.wait(), 0);
  EXPECT_NE(ask(node, "verify").find("verify: ok"), std::string::npos);
}

TEST_F(serve, reloads_what_can_be_reloaded_and_goes_on_when_the_file_is_broken) {
  const auto file = (folder_ / "frontdesk.toml").string();
  std::ofstream{file} << "[log]\nlevel = \"info\"\n";
  auto all = arguments();
  all.insert(all.end(), {"--config", file});
  node_process node{all};
  ASSERT_TRUE(node.ready()) << node.seen();
  std::ofstream{file} << "[log]\nlevel = \"loud\"\n";
  node.signal(SIGHUP);
  const auto broken = node.wait_for("the new configuration cannot be used");
  ASSERT_FALSE(broken.empty());
  EXPECT_NE(std::string(broken.at("problem").as_string()).find(":2:9: log.level"),
            std::string::npos);
  std::ofstream{file} << "[actors]\nworkers = 3\n";
  node.signal(SIGHUP);
  const auto restart = node.wait_for("a changed key needs a restart");
  ASSERT_FALSE(restart.empty());
  EXPECT_EQ(restart.at("key").as_string(), "actors.workers");
  EXPECT_FALSE(node.wait_for("configuration reloaded").empty());
  EXPECT_EQ(node.get("/livez")->status, 200u);
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(), 0);
}

TEST_F(serve, says_why_it_cannot_start) {
  {
    auto all = arguments();
    all.insert(all.end(), {"--log-level", "loud"});
    EXPECT_EQ(node_process{all}.wait(), 2);
  }
  {
    std::ofstream{folder_ / "file"} << "x";
    auto all = arguments();
    all[1] = (folder_ / "file" / "data").string();
    node_process node{all};
    EXPECT_EQ(node.wait(), 1);
    EXPECT_NE(node.seen().find("cannot make the data folder"), std::string::npos) << node.seen();
  }
  node_process first{arguments()};
  ASSERT_TRUE(first.ready()) << first.seen();
  {
    node_process second{arguments()}; // same data folder
    EXPECT_EQ(second.wait(), 1);
    EXPECT_NE(second.seen().find("in use"), std::string::npos) << second.seen();
  }
  {
    auto all = arguments();
    all[1] = (folder_ / "other").string();
    all[7] = std::to_string(first.admin_port());
    node_process second{all};
    EXPECT_EQ(second.wait(), 1);
    EXPECT_NE(second.seen().find(std::to_string(first.admin_port())), std::string::npos)
      << second.seen();
  }
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait(), 0);
}
