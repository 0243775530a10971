#pragma once

#include "domain/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// Visitors and agents who write down everything that they send and see: the evidence that
/// tests/faults/ledger.py judges. Slow on purpose; the node may die and come back meanwhile.
///
/// One JSON object a line. All have `e` (what), `at` (milliseconds of a steady clock) and mostly
/// `p` (who: v3 is a visitor, v3b the same visitor's second tab, a1 an agent), `link` (counts the
/// connections of p) and `c` (the conversation's id):
///
///   who      p, role, tenant, self           once per participant
///   link_up, link_lost (code)
///   go_away  after_ms                        the node says that it leaves;  problem: code, text
///   sent     c or opening, client, n, prev, kind, text, target     at every transmission
///   acked    c, client, n, seq, vseq         seq 0: staff's number is not told to visitors
///   refused  c, client, n, code;             gap: c, client, n, last
///   dropped  client, n                       given up: nobody knows whether it is stored
///   resumed  c, after (null: from anywhere), reset, newest, asked  `subscribed` came; asked: every
///            `after` of late on this link, as an answer may be missing after a resync
///   resync   c (or "")
///   received c, seq, vseq, kind, client, n, text, hidden, target, revision, assignee, fence, staff
///   seen     c, pos                          handed to the person, once and in order
///   hole     c, after, pos                   the reader noticed that something is missing
///   cursor   c, pos                          at the end: seen up to here
///   history  by, c, and the event as in `received`;  history_end: by, c, count
///   probe    by, c, code                     somebody asked for what is another tenant's
///   end      settled                         nothing was left to confirm
namespace frontdesk::load {

struct ledger_tenant {
  std::uint32_t number = 1;
  std::string inbox_key{};
  std::vector<std::string> agent_tokens{};
};

struct ledger_options {
  std::string file{};
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::vector<ledger_tenant> tenants{};
  std::uint32_t visitors = 12; ///< spread over the tenants
  double rate = 60;            ///< commands per second in all
  double link_seconds = 4;     ///< a participant loses its connection about so often; 0 = never
  std::uint64_t seed = 1;
  double seconds = 10;        ///< of writing
  double settle_seconds = 60; ///< for what is not confirmed when writing ends
  double quiet_seconds = 1;   ///< before the histories are read
  /// Asked about ten times a second: false ends the writing early.
  std::function<bool()> go_on{};
  /// Everybody has written a first message.
  std::function<void()> ready{};
};

/// Writes, settles, reads the histories. False when something was not confirmed in time.
/// errc::io when the ledger cannot be written, errc::unavailable when the histories cannot be read.
domain::result<bool> keep_ledger(const ledger_options& options);

} // namespace frontdesk::load
