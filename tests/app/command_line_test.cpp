#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace fs = std::filesystem;

/// The program as people and scripts meet it.
namespace {

struct outcome {
  int exit_code = -1;
  std::string out{};
  std::string err{};
};

class command_line : public testing::Test {
protected:
  command_line() {
    std::string pattern = (fs::temp_directory_path() / "frontdesk-cli-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }

  ~command_line() override { fs::remove_all(folder_); }

  /// Runs in the test's own folder, with nothing of our environment but PATH.
  outcome run(const std::string& arguments, const std::string& environment = {}) const {
    const auto errors = folder_ / "stderr";
    const auto line = "cd '" + folder_.string() + "' && env -i PATH=\"$PATH\" " + environment + " "
                      + FRONTDESK_EXECUTABLE + " " + arguments + " 2> '" + errors.string() + "'";
    FILE* program = popen(line.c_str(), "r");
    outcome result;
    std::array<char, 4096> block{};
    for (std::size_t size = 0; (size = fread(block.data(), 1, block.size(), program)) > 0;)
      result.out.append(block.data(), size);
    result.exit_code = WEXITSTATUS(pclose(program));
    std::ifstream in{errors};
    result.err.assign(std::istreambuf_iterator<char>{in}, {});
    return result;
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream{folder_ / name} << text;
  }

  fs::path folder_;
};

} // namespace

TEST_F(command_line, helps_with_every_verb_and_gives_examples) {
  const auto root = run("--help");
  EXPECT_EQ(root.exit_code, 0);
  for (const char* verb : {"config check", "config show", "config default", "doctor", "version",
                           "account create", "account list", "account disable", "inbox list"}) {
    const auto help = run(std::string{verb} + " --help");
    EXPECT_EQ(help.exit_code, 0) << verb;
    EXPECT_NE(help.out.find("Usage: "), std::string::npos) << verb;
  }
  for (const char* verb : {"config", "account", "doctor", "version"})
    EXPECT_NE(run(std::string{verb} + " --help").out.find("Example"), std::string::npos) << verb;
}

TEST_F(command_line, answers_2_when_asked_wrongly) {
  for (const char* arguments :
       {"", "nonsense", "config", "config show --nonsense", "account create",
        "account create Ann --role boss", "config check --port"})
    EXPECT_EQ(run(arguments).exit_code, 2) << arguments;
}

TEST_F(command_line, finds_what_is_wrong_with_a_file) {
  write("frontdesk.toml", "[server]\nprot = 1\nport = 99999\n");
  const auto check = run("config check");
  EXPECT_EQ(check.exit_code, 2);
  EXPECT_EQ(
    check.err,
    "frontdesk.toml:2:1: unknown key \"server.prot\"; did you mean \"server.port\"?\n"
    "frontdesk.toml:3:8: server.port is out of range: expected a whole number from 0 to 65535\n");
  EXPECT_EQ(check.out, "");
  write("good.toml", "[server]\nport = 1234\n");
  EXPECT_EQ(run("config check -c good.toml").exit_code, 0);
  EXPECT_EQ(run("config check", "FRONTDESK_CONFIG=good.toml").exit_code, 0);
  const auto none = run("config check --config none.toml");
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_EQ(none.err, "none.toml: cannot read none.toml: No such file or directory\n");
}

TEST_F(command_line, finds_certificates_and_folders_that_are_not_there) {
  const auto check
    = run("config check --tls-certificate none.pem --tls-key none.pem --static-dir none");
  EXPECT_EQ(check.exit_code, 2);
  EXPECT_NE(check.err.find("none.pem"), std::string::npos);
  EXPECT_NE(check.err.find("server.static_dir: none is no folder"), std::string::npos);
}

TEST_F(command_line, shows_each_value_with_its_origin) {
  write("frontdesk.toml", "[server]\nport = 1234\n");
  const auto show = run("config show --origin --log-level debug", "FRONTDESK_ADMIN__PORT=77");
  EXPECT_EQ(show.exit_code, 0);
  EXPECT_NE(show.out.find("# frontdesk.toml:2:8"), std::string::npos);
  EXPECT_NE(show.out.find("# environment FRONTDESK_ADMIN__PORT"), std::string::npos);
  EXPECT_NE(show.out.find("# flag --log.level"), std::string::npos);
  const auto json = boost::json::parse(run("config show --json --limits.page_events 7").out);
  bool seen = false;
  for (const auto& row : json.as_array())
    if (row.at("key").as_string() == "limits.page_events") {
      EXPECT_EQ(row.at("value").to_number<int>(), 7);
      EXPECT_EQ(row.at("origin").as_string(), "flag --limits.page_events");
      seen = true;
    }
  EXPECT_TRUE(seen);
}

TEST_F(command_line, prints_a_default_file_that_it_accepts) {
  write("frontdesk.toml", run("config default").out);
  EXPECT_EQ(run("config check").exit_code, 0);
}

TEST_F(command_line, tells_its_version) {
  const auto json = boost::json::parse(run("version --json").out);
  EXPECT_FALSE(json.at("version").as_string().empty());
  EXPECT_TRUE(json.at("commit").is_string());
  EXPECT_TRUE(run("version").out.starts_with("frontdesk "));
}

TEST_F(command_line, doctor_fails_on_a_broken_configuration_and_says_what_to_do) {
  const auto json
    = boost::json::parse(run("doctor --json --port 0 --admin-port 0 --log-level loud").out);
  EXPECT_EQ(json.at("status").as_string(), "fail");
  EXPECT_EQ(json.at("checks").at(0).at("name").as_string(), "configuration");
  EXPECT_FALSE(json.at("checks").at(0).at("advice").as_string().empty());
  EXPECT_EQ(run("doctor --port 0 --admin-port 0 --log-level loud").exit_code, 1);
  const auto good = run("doctor --port 0 --admin-port 0");
  EXPECT_EQ(good.exit_code, 0) << good.out;
  EXPECT_EQ(good.out.find('\x1b'), std::string::npos) << "no colours in a pipe";
}

TEST_F(command_line, doctor_makes_nothing) {
  run("doctor --port 0 --admin-port 0 --data data");
  EXPECT_FALSE(fs::exists(folder_ / "data"));
}

TEST_F(command_line, account_verbs_say_that_no_node_runs) {
  const auto without_key = run("account list --data data");
  EXPECT_EQ(without_key.exit_code, 1);
  EXPECT_NE(without_key.err.find("data/admin.key"), std::string::npos);
  // Port 1 of the loopback: nobody listens there.
  const auto without_node
    = run("account list --admin-port 1", "FRONTDESK_ADMIN__KEY=0123456789abcdef");
  EXPECT_EQ(without_node.exit_code, 1);
  EXPECT_NE(without_node.err.find("Is the node running?"), std::string::npos);
}
