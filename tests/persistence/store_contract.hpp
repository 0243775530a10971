#pragma once

#include "domain/ports/event_store.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

/// What every engine behind domain::event_store must do; store_contract_test.cpp has the tests. An
/// engine joins by an INSTANTIATE_TEST_SUITE_P of its own with a name and a way to make one.
namespace frontdesk::test {

class store_engine {
public:
  virtual ~store_engine() = default;
  virtual domain::event_store& store() = 0;
  /// As a restart of the process does.
  virtual void reopen() = 0;
  virtual void set_now(domain::unix_ms now) = 0;
};

struct engine_choice {
  std::string name;
  std::function<std::unique_ptr<store_engine>()> make;

  friend std::ostream& operator<<(std::ostream& out, const engine_choice& choice) {
    return out << choice.name;
  }
};

/// Fixture of the tests.
class event_store_contract : public ::testing::TestWithParam<engine_choice> {
protected:
  void SetUp() override {
    engine_ = GetParam().make();
    engine_->set_now(1700000000000);
  }

  domain::event_store& store() { return engine_->store(); }

  domain::result<domain::commit_receipt> try_commit(const std::vector<domain::append>& appends) {
    std::vector<const domain::append*> pointers;
    for (const auto& each : appends)
      pointers.push_back(&each);
    return store().commit(pointers);
  }

  domain::commit_receipt commit(const std::vector<domain::append>& appends) {
    auto receipt = try_commit(appends);
    if (!receipt) {
      ADD_FAILURE() << receipt.failure().message;
      return {};
    }
    return *receipt;
  }

  static std::vector<domain::message_seq>
  seqs(const domain::result<std::vector<domain::stored_event>>& page) {
    std::vector<domain::message_seq> numbers;
    if (!page) {
      ADD_FAILURE() << page.failure().message;
      return numbers;
    }
    for (const auto& event : *page)
      numbers.push_back(event.seq);
    return numbers;
  }

  static domain::errc code_of(const auto& failed) {
    return failed ? domain::errc{} : failed.failure().code;
  }

  std::unique_ptr<store_engine> engine_;
};

} // namespace frontdesk::test
