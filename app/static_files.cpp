#include "app/static_files.hpp"

#include "actors/runtime.hpp"
#include "app/admin_key.hpp"
#include "net/http.hpp"

#include <boost/json.hpp>

#include <filesystem>
#include <map>

namespace frontdesk::app {

namespace {

namespace fs = std::filesystem;

// The page talks to its own origin only, and loads nothing from anywhere else.
constexpr std::string_view page_policy
  = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

std::string content_type_of(const fs::path& file) {
  static const std::map<std::string, std::string> known{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".json", "application/json"},
    {".ico", "image/x-icon"},
    {".map", "application/json"},
  };
  auto found = known.find(file.extension().string());
  return found == known.end() ? "application/octet-stream" : found->second;
}

/// Where the pages are when nobody says so: installed beside the program, or in the source tree it
/// was built in.
std::string folder_beside_program() {
  std::error_code failure;
  auto program = fs::read_symlink("/proc/self/exe", failure);
  if (failure)
    return {};
  for (const auto& candidate : {program.parent_path() / "../share/frontdesk/web",
                                program.parent_path() / "../../../web/testpage/dist"})
    if (fs::is_directory(candidate, failure))
      return fs::weakly_canonical(candidate, failure).string();
  return {};
}

} // namespace

std::optional<domain::error> add_static_files(net::http_routes& routes, const std::string& folder,
                                              actors::runtime& actors) {
  // The public key of the first inbox: what the page that comes with the server opens conversations
  // with.
  routes.get("/v1/inbox", [&actors](const net::http_request&) {
    auto configuration = actors.configuration();
    net::http_response response;
    response.headers.emplace_back("Cache-Control", "no-store");
    response.content_type = "application/json";
    for (const auto& [tenant, content] : configuration->tenants)
      for (const auto& [id, inbox] : content.inboxes) {
        response.body
          = boost::json::serialize(boost::json::object{{"key", inbox.key}, {"name", inbox.name}});
        return response;
      }
    response.status = 404;
    response.body = R"({"error":{"code":"not_found","message":"there is no inbox"}})";
    return response;
  });
  auto from = folder.empty() ? folder_beside_program() : folder;
  if (from.empty()) {
    routes.get("/", [](const net::http_request&) {
      net::http_response response;
      response.body = "Frontdesk is running. The pages are not installed: set server.static_dir.\n";
      return response;
    });
    return std::nullopt;
  }
  std::error_code failure;
  fs::recursive_directory_iterator files(from, failure);
  if (failure)
    return domain::error{domain::errc::config,
                         "server.static_dir " + from + ": " + failure.message(),
                         "server.static_dir"};
  for (const auto& entry : files) {
    if (!entry.is_regular_file())
      continue;
    auto content = read_small_file(entry.path());
    if (!content)
      return content.failure();
    net::static_file file;
    file.content = std::make_shared<const std::string>(*std::move(content));
    file.content_type = content_type_of(entry.path());
    file.content_security_policy = page_policy;
    auto path = "/" + fs::relative(entry.path(), from).generic_string();
    if (path == "/index.html")
      routes.file("/", file);
    routes.file(path, std::move(file));
  }
  return std::nullopt;
}

} // namespace frontdesk::app
