#include "app/admin_api.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

using namespace frontdesk;
using namespace frontdesk::app;
using domain::errc;

namespace {

constexpr std::string_view key = "0123456789abcdef";
constexpr domain::tenant_id tenant_one{1};

domain::result<admin_call> ask(std::string_view method, std::string_view target,
                               std::string_view body = {},
                               std::string_view authorization = "Bearer 0123456789abcdef") {
  return parse_admin_request({method, target, authorization, body}, key);
}

errc refusal(std::string_view method, std::string_view target, std::string_view body = {},
             std::string_view authorization = "Bearer 0123456789abcdef") {
  const auto call = ask(method, target, body, authorization);
  return call ? errc{} : call.failure().code;
}

} // namespace

TEST(admin_api, answers_health_and_metrics_without_a_key) {
  EXPECT_EQ(*ask("GET", "/livez", {}, {}), admin_call{livez_call{}});
  EXPECT_EQ(*ask("HEAD", "/readyz", {}, {}), admin_call{readyz_call{}});
  EXPECT_EQ(*ask("GET", "/metrics?x=1", {}, {}), admin_call{metrics_call{}});
  EXPECT_EQ(refusal("POST", "/livez", {}, {}), errc::unsupported);
}

TEST(admin_api, asks_for_the_key_before_it_tells_anything_else) {
  for (const char* authorization :
       {"", "Bearer ", "Bearer 0123456789abcdeX", "bearer 0123456789abcdef", "0123456789abcdef",
        "Bearer 0123456789abcdef "})
    for (const char* target : {"/v1/admin/accounts", "/v1/admin/nothing"})
      EXPECT_EQ(refusal("GET", target, {}, authorization), errc::unauthenticated) << authorization;
  EXPECT_FALSE(parse_admin_request({"GET", "/v1/admin/accounts", "Bearer ", ""}, ""))
    << "no key opens nothing";
}

TEST(admin_api, reads_what_is_asked_for) {
  EXPECT_EQ(*ask("GET", "/v1/admin/accounts"), admin_call{list_accounts_call{tenant_one}});
  EXPECT_EQ(*ask("GET", "/v1/admin/inboxes?x=y&tenant=7"),
            admin_call{list_inboxes_call{domain::tenant_id{7}}});
  EXPECT_EQ(*ask("POST", "/v1/admin/accounts", R"({"name":"Ann"})"),
            (admin_call{create_account_call{tenant_one, "Ann", domain::role::agent, 0}}));
  EXPECT_EQ(
    *ask("POST", "/v1/admin/accounts",
         R"({"name":"李","role":"supervisor","tenant":2,"capacity":3})"),
    (admin_call{create_account_call{domain::tenant_id{2}, "李", domain::role::supervisor, 3}}));
  const auto id = domain::account_id::from_bytes(std::string(16, '\x5a'));
  EXPECT_EQ(*ask("POST", "/v1/admin/accounts/disable", R"({"id":")" + to_string(*id) + "\"}"),
            (admin_call{disable_account_call{tenant_one, *id}}));
  EXPECT_EQ(*ask("POST", "/v1/admin/tenants", R"({"name":"Shop"})"),
            (admin_call{create_tenant_call{"Shop"}}));
  EXPECT_EQ(
    *ask("POST", "/v1/admin/inboxes",
         R"({"name":"Shop","origins":["https://a.example","http://b:8080"]})"),
    (admin_call{create_inbox_call{tenant_one, "Shop", {"https://a.example", "http://b:8080"}}}));
}

TEST(admin_api, refuses_bodies_it_cannot_use_and_names_the_field) {
  const std::vector<std::pair<const char*, const char*>> bad{
    {"", ""},
    {"[]", ""},
    {"{", ""},
    {"{}", "name"},
    {R"({"name":""})", "name"},
    {R"({"name":5})", "name"},
    {R"({"name":"a\u0007"})", "name"},
    {R"({"name":"a","role":"boss"})", "role"},
    {R"({"name":"a","role":1})", "role"},
    {R"({"name":"a","tenant":0})", "tenant"},
    {R"({"name":"a","tenant":-1})", "tenant"},
    {R"({"name":"a","capacity":1.5})", "capacity"},
    {R"({"name":"a","rol":"agent"})", "rol"}};
  for (const auto& [body, field] : bad) {
    const auto call = ask("POST", "/v1/admin/accounts", body);
    ASSERT_FALSE(call) << body;
    EXPECT_EQ(call.failure().code, errc::bad_request) << body;
    EXPECT_EQ(call.failure().field, field) << body;
  }
  const std::string long_name = R"({"name":")" + std::string(201, 'x') + "\"}";
  EXPECT_EQ(refusal("POST", "/v1/admin/accounts", long_name), errc::bad_request);
  EXPECT_EQ(refusal("POST", "/v1/admin/accounts", std::string(100000, '[')), errc::bad_request);
  for (const char* origin : {"shop.example", "https://", "https://a/b", "ftp://a", "*"})
    EXPECT_EQ(refusal("POST", "/v1/admin/inboxes",
                      R"({"name":"a","origins":[")" + std::string{origin} + "\"]}"),
              errc::bad_request)
      << origin;
  EXPECT_EQ(refusal("POST", "/v1/admin/accounts/disable", R"({"id":"xyz"})"), errc::bad_request);
  EXPECT_EQ(refusal("GET", "/v1/admin/accounts?tenant=x"), errc::bad_request);
}

TEST(admin_api, tells_unknown_paths_from_wrong_methods) {
  EXPECT_EQ(refusal("GET", "/"), errc::not_found);
  EXPECT_EQ(refusal("GET", "/v1/admin/nothing"), errc::not_found);
  EXPECT_EQ(refusal("DELETE", "/v1/admin/accounts"), errc::unsupported);
  EXPECT_EQ(refusal("GET", "/v1/admin/accounts/disable"), errc::unsupported);
}

TEST(admin_api, lists_accounts_and_inboxes_of_the_one_tenant) {
  domain::configuration_snapshot snapshot;
  auto& mine = snapshot.tenants[tenant_one];
  domain::account_record ann;
  ann.name = "Ann \"A\"";
  ann.rights = domain::role::administrator;
  ann.disabled = true;
  mine.accounts[*domain::account_id::from_bytes(std::string(16, '\x01'))] = ann;
  domain::inbox_record shop;
  shop.name = "Shop";
  shop.key = "k1";
  shop.origins = {"https://a.example"};
  mine.inboxes[*domain::inbox_id::from_bytes(std::string(16, '\x02'))] = shop;
  snapshot.tenants[domain::tenant_id{2}].accounts[domain::account_id{}].name = "Other";

  const auto accounts
    = boost::json::parse(accounts_listed(snapshot, tenant_one).body).at("accounts").as_array();
  ASSERT_EQ(accounts.size(), 1u);
  EXPECT_EQ(accounts[0].at("name").as_string(), "Ann \"A\"");
  EXPECT_EQ(accounts[0].at("role").as_string(), "administrator");
  EXPECT_TRUE(accounts[0].at("disabled").as_bool());
  const auto inboxes
    = boost::json::parse(inboxes_listed(snapshot, tenant_one).body).at("inboxes").as_array();
  ASSERT_EQ(inboxes.size(), 1u);
  EXPECT_EQ(inboxes[0].at("key").as_string(), "k1");
  EXPECT_EQ(accounts_listed(snapshot, domain::tenant_id{3}).status, 404u);
}

TEST(admin_api, answers_errors_with_code_message_and_field) {
  const auto answer = failed_answer({errc::already_exists, "taken", "name"});
  EXPECT_EQ(answer.status, 409u);
  EXPECT_EQ(answer.body, R"({"error":{"code":"already_exists","message":"taken","field":"name"}})");
  EXPECT_EQ(failed_answer({errc::unauthenticated, "x"}).status, 401u);
  EXPECT_EQ(failed_answer({errc::storage_full, "x"}).status, 503u);
  EXPECT_EQ(failed_answer({errc::internal, "x"}).status, 500u);
}

TEST(admin_api, gives_the_token_of_a_new_account) {
  const auto answer = account_created(tenant_one, {}, "Ann", domain::role::agent, "tok");
  EXPECT_EQ(answer.status, 201u);
  EXPECT_EQ(boost::json::parse(answer.body).at("token").as_string(), "tok");
}
