#pragma once

#include "domain/account.hpp"
#include "domain/event.hpp"
#include "domain/frames.hpp"

#include <rapidcheck.h>

#include <string>
#include <vector>

/// Generators of every value that the codec can carry: what they make must come back unchanged.
namespace frontdesk::test {

using rc::Gen;

/// Small ones, the edges of varints, of doubles and of 64 bits.
inline Gen<std::uint64_t> any_number() {
  return rc::gen::oneOf(rc::gen::arbitrary<std::uint64_t>(),
                        rc::gen::element<std::uint64_t>(0, 1, 127, 128, 16383, 16384,
                                                        (1ull << 53) - 1, (1ull << 53) + 1,
                                                        (1ull << 63), ~0ull));
}

inline Gen<std::uint64_t> any_positive() {
  return rc::gen::map(any_number(), [](std::uint64_t value) { return value == 0 ? 1 : value; });
}

inline Gen<domain::unix_ms> any_time() {
  return rc::gen::map(any_number(),
                      [](std::uint64_t value) { return static_cast<domain::unix_ms>(value); });
}

inline Gen<std::uint32_t> any_small() {
  return rc::gen::map(any_number(),
                      [](std::uint64_t value) { return static_cast<std::uint32_t>(value); });
}

inline Gen<bool> any_flag() {
  return rc::gen::arbitrary<bool>();
}

/// Any characters, controls and those beyond 16 bits too.
inline Gen<std::string> any_text() {
  auto character = rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 0x80),
                                  rc::gen::inRange<std::uint32_t>(0x80, 0xD800),
                                  rc::gen::inRange<std::uint32_t>(0xE000, 0x110000));
  return rc::gen::map(rc::gen::container<std::vector<std::uint32_t>>(character),
                      [](const std::vector<std::uint32_t>& characters) {
                        std::string text;
                        for (auto c : characters) {
                          if (c < 0x80) {
                            text += static_cast<char>(c);
                          } else if (c < 0x800) {
                            text += static_cast<char>(0xC0 | c >> 6);
                            text += static_cast<char>(0x80 | (c & 0x3F));
                          } else if (c < 0x10000) {
                            text += static_cast<char>(0xE0 | c >> 12);
                            text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
                            text += static_cast<char>(0x80 | (c & 0x3F));
                          } else {
                            text += static_cast<char>(0xF0 | c >> 18);
                            text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
                            text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
                            text += static_cast<char>(0x80 | (c & 0x3F));
                          }
                        }
                        return text;
                      });
}

inline Gen<std::string> any_bytes() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

inline Gen<std::string> bytes_of(std::size_t size) {
  return rc::gen::container<std::string>(size, rc::gen::arbitrary<char>());
}

template <class Id>
Gen<Id> any_id() {
  return rc::gen::map(bytes_of(16), [](const std::string& bytes) {
    auto id = *Id::from_bytes(bytes);
    if (!id)
      id.bytes[15] = 1;
    return id;
  });
}

template <class Id>
Gen<Id> any_id_or_zero() {
  return rc::gen::oneOf(any_id<Id>(), rc::gen::just(Id{}));
}

template <class Enum>
Gen<Enum> any_of(Enum least, Enum most) {
  return rc::gen::map(rc::gen::inRange(static_cast<int>(least), static_cast<int>(most) + 1),
                      [](int value) { return static_cast<Enum>(value); });
}

template <class T>
Gen<std::vector<T>> some_of(Gen<T> gen) {
  return rc::gen::resize(8, rc::gen::container<std::vector<T>>(std::move(gen)));
}

template <class T>
Gen<std::optional<T>> maybe(Gen<T> gen) {
  return rc::gen::oneOf(
    rc::gen::map(std::move(gen), [](T value) { return std::optional<T>(std::move(value)); }),
    rc::gen::just(std::optional<T>()));
}

inline Gen<domain::participant_kind> any_participant_kind() {
  return any_of(domain::participant_kind::visitor, domain::participant_kind::system);
}

inline Gen<domain::conversation_status> any_status() {
  return any_of(domain::conversation_status::waiting, domain::conversation_status::resolved);
}

inline Gen<domain::participant> any_participant() {
  return rc::gen::construct<domain::participant>(any_participant_kind(),
                                                 any_id_or_zero<domain::entity_id>());
}

inline Gen<domain::public_profile> any_profile() {
  return rc::gen::oneOf(
    rc::gen::construct<domain::public_profile>(any_participant_kind(), any_text()),
    rc::gen::just(domain::public_profile{}));
}

inline Gen<domain::client_key> any_key() {
  return rc::gen::construct<domain::client_key>(any_id_or_zero<domain::client_id>(), any_number());
}

inline Gen<domain::text_content> any_text_content() {
  return rc::gen::construct<domain::text_content>(any_text(), any_number());
}

inline Gen<domain::public_part> any_public_part() {
  return rc::gen::exec([] {
    domain::public_part part;
    part.author = *any_profile();
    switch (*rc::gen::inRange(0, 4)) {
    case 0:
      part.body = *any_text_content();
      break;
    case 1:
      part.body = domain::assignment_content{*any_profile()};
      break;
    case 2:
      part.body = domain::status_content{*any_status()};
      break;
    default:
      part.body = domain::recalled_content{};
    }
    return part;
  });
}

inline Gen<domain::staff_part> any_staff_part() {
  return rc::gen::exec([] {
    domain::staff_part part;
    switch (*rc::gen::inRange(0, 3)) {
    case 0:
      part.body = *any_text_content();
      break;
    case 1:
      part.body = domain::staff_assignment{*any_id_or_zero<domain::account_id>(),
                                           *any_id_or_zero<domain::team_id>(), *any_number()};
      break;
    default:
      part.body = domain::recalled_content{};
    }
    return part;
  });
}

inline Gen<domain::vector_cursor> any_cursor() {
  return rc::gen::exec([] {
    domain::vector_cursor cursor;
    cursor.store_incarnation = *any_number();
    for (std::uint32_t shard = 0; shard < 64; ++shard)
      if (*rc::gen::weightedElement<bool>({{7, false}, {1, true}}))
        cursor.positions.emplace_back(shard, *any_number());
    return cursor;
  });
}

// -- client frames
// ---------------------------------------------------------------------------------------------

inline Gen<domain::hello> any_hello() {
  return rc::gen::construct<domain::hello>(any_text(), any_text(), any_text(), any_number(),
                                           some_of(rc::gen::construct<domain::conversation_cursor>(
                                             any_id<domain::conversation_id>(), any_number())));
}

inline Gen<domain::command_body> any_command_body() {
  return rc::gen::exec([]() -> domain::command_body {
    switch (*rc::gen::inRange(0, 7)) {
    case 0:
      return domain::post_message{*any_text_content()};
    case 1:
      return domain::post_note{*any_text_content()};
    case 2:
      return domain::edit_message{*any_positive(), *any_text()};
    case 3:
      return domain::recall_message{*any_positive()};
    case 4:
      return domain::assign{*any_id_or_zero<domain::account_id>(),
                            *any_id_or_zero<domain::team_id>()};
    case 5:
      return domain::resolve{};
    default:
      return domain::reopen{};
    }
  });
}

inline Gen<domain::command> any_command() {
  return rc::gen::exec([] {
    domain::command frame;
    frame.opening = *any_id_or_zero<domain::opening_key>();
    frame.conversation = frame.opening ? *any_id_or_zero<domain::conversation_id>()
                                       : *any_id<domain::conversation_id>();
    frame.key = {*any_id<domain::client_id>(), *any_positive()};
    frame.previous = *any_number();
    frame.body = *any_command_body();
    return frame;
  });
}

inline Gen<domain::client_frame> any_client_frame() {
  return rc::gen::exec([]() -> domain::client_frame {
    const auto talk = *any_id<domain::conversation_id>();
    switch (*rc::gen::inRange(0, 11)) {
    case 0:
      return *any_hello();
    case 1:
      return *any_command();
    case 2:
      return domain::subscribe{talk, *maybe(any_number())};
    case 3:
      return domain::unsubscribe{talk};
    case 4:
      return domain::history_request{*any_number(), talk, *any_number(), *any_flag(),
                                     std::max<std::uint32_t>(1, *any_small())};
    case 5:
      return domain::mark{talk, *any_number(), *any_number()};
    case 6:
      return domain::typing{talk, *any_flag()};
    case 7:
      return domain::set_presence{
        *any_of(domain::presence_state::offline, domain::presence_state::away), *any_small()};
    case 8:
      return domain::subscribe_list{*any_of(domain::list_kind::waiting, domain::list_kind::mine),
                                    *maybe(any_cursor())};
    case 9:
      return domain::unsubscribe_list{*any_of(domain::list_kind::waiting, domain::list_kind::mine)};
    default:
      return domain::ping{*any_number()};
    }
  });
}

// -- server frames
// ---------------------------------------------------------------------------------------------

/// Of the codes there are; a text that is none becomes errc::internal.
inline Gen<domain::error> any_error() {
  return rc::gen::construct<domain::error>(
    rc::gen::element(domain::errc::bad_frame, domain::errc::unauthenticated,
                     domain::errc::client_unknown, domain::errc::rate_limited,
                     domain::errc::corrupt, domain::errc::internal),
    any_text(), any_text());
}

inline Gen<domain::pointer> any_pointer() {
  return rc::gen::construct<domain::pointer>(any_participant(), any_number(), any_number());
}

inline Gen<domain::event_push> any_push() {
  return rc::gen::exec([] {
    domain::event_push frame;
    frame.conversation = *any_id<domain::conversation_id>();
    frame.seq = *any_number();
    frame.visible_seq = *any_number();
    frame.kind = *any_of(domain::event_kind::message, domain::event_kind::erase);
    frame.time = *any_time();
    frame.author = *maybe(any_participant());
    frame.client = *any_key();
    frame.target = *any_number();
    frame.revision = *any_number();
    frame.hidden = *any_flag();
    frame.public_content = *maybe(any_public_part());
    frame.staff_content = *maybe(any_staff_part());
    return frame;
  });
}

inline Gen<domain::open_row> any_row() {
  return rc::gen::exec([] {
    domain::open_row row;
    row.conversation = *any_id<domain::conversation_id>();
    row.number = *any_number();
    row.status = *any_status();
    row.visitor = *any_id_or_zero<domain::visitor_id>();
    row.visitor_name = *any_text();
    row.inbox = *any_id_or_zero<domain::inbox_id>();
    row.team = *any_id_or_zero<domain::team_id>();
    row.assignee = *any_id_or_zero<domain::account_id>();
    row.assignee_name = *any_text();
    row.created = *any_time();
    row.waiting_since = *any_time();
    row.seq = *any_number();
    row.excerpt = *any_text();
    return row;
  });
}

inline Gen<domain::acknowledge> any_acknowledge() {
  return rc::gen::construct<domain::acknowledge>(
    any_id<domain::conversation_id>(), any_id_or_zero<domain::opening_key>(), any_key(),
    any_number(), any_number(), any_time(), any_number());
}

inline Gen<domain::welcome> any_welcome() {
  return rc::gen::exec([] {
    domain::welcome frame;
    frame.self = *any_participant();
    frame.name = *any_text();
    frame.token = *any_text();
    frame.store_incarnation = *any_number();
    frame.server_time = *any_time();
    frame.heartbeat_ms = *any_small();
    frame.text_bytes_max = *any_small();
    frame.in_flight_max = *any_small();
    frame.conversations = *some_of(any_id<domain::conversation_id>());
    return frame;
  });
}

inline Gen<domain::subscribed> any_subscribed() {
  return rc::gen::exec([] {
    domain::subscribed frame;
    frame.conversation = *any_id<domain::conversation_id>();
    frame.reset = *any_flag();
    frame.seq = *any_number();
    frame.visible_seq = *any_number();
    frame.status = *any_status();
    frame.number = *any_number();
    frame.assignee_name = *any_text();
    frame.visitor_name = *any_text();
    frame.pointers = *some_of(any_pointer());
    frame.own_clients
      = *some_of(rc::gen::construct<domain::client_key>(any_id<domain::client_id>(), any_number()));
    return frame;
  });
}

inline Gen<domain::server_frame> any_server_frame() {
  return rc::gen::exec([]() -> domain::server_frame {
    const auto talk = *any_id<domain::conversation_id>();
    const auto talk_or_none = *any_id_or_zero<domain::conversation_id>();
    switch (*rc::gen::inRange(0, 16)) {
    case 0:
      return *any_welcome();
    case 1:
      return *any_acknowledge();
    case 2:
      return domain::refuse{talk_or_none, *any_id_or_zero<domain::opening_key>(), *any_key(),
                            *any_error(), *any_small()};
    case 3:
      return domain::gap{talk_or_none, *any_id_or_zero<domain::opening_key>(), *any_key(),
                         *any_number()};
    case 4:
      return *any_push();
    case 5:
      return *any_subscribed();
    case 6:
      return domain::history_page{*any_number(), talk, *some_of(any_push()), *any_flag()};
    case 7:
      return domain::pointer_moved{talk, *any_pointer()};
    case 8:
      return domain::typing_shown{talk, *any_profile(), *any_flag()};
    case 9:
      return domain::list_rows{*any_of(domain::list_kind::waiting, domain::list_kind::mine),
                               *any_flag(), *some_of(any_row()),
                               *some_of(any_id<domain::conversation_id>()), *any_cursor()};
    case 10:
      return domain::queue_position{talk, *any_small()};
    case 11:
      return domain::presence_changed{
        *any_of(domain::presence_state::offline, domain::presence_state::away), *any_small(),
        *any_small()};
    case 12:
      return domain::problem{*any_error(), *any_number(), *any_flag(), *any_small()};
    case 13:
      return domain::resync{talk_or_none};
    case 14:
      return domain::go_away{*any_small()};
    default:
      return domain::pong{*any_number()};
    }
  });
}

// -- stored values
// ---------------------------------------------------------------------------------------------

inline Gen<domain::event_header> any_header() {
  return rc::gen::exec([] {
    domain::event_header header;
    header.kind = *any_of(domain::event_kind::message, domain::event_kind::erase);
    header.visible_seq = *any_number();
    header.hidden = *any_flag();
    header.time = *any_time();
    header.author = *any_participant();
    header.client = *any_key();
    header.target = *any_number();
    header.public_hash = *any_number();
    header.staff_hash = *any_number();
    return header;
  });
}

inline Gen<domain::conversation_head> any_head() {
  return rc::gen::exec([] {
    domain::conversation_head head;
    head.seq = *any_number();
    head.visible_seq = *any_number();
    head.status = *any_status();
    head.number = *any_number();
    head.visitor = *any_id_or_zero<domain::visitor_id>();
    head.inbox = *any_id_or_zero<domain::inbox_id>();
    head.assignee = *any_id_or_zero<domain::account_id>();
    head.team = *any_id_or_zero<domain::team_id>();
    head.assignee_profile = *any_profile();
    head.visitor_name = *any_text();
    head.created = *any_time();
    head.waiting_since = *any_time();
    head.last_activity = *any_time();
    head.fence = *any_number();
    head.clients = *some_of(rc::gen::construct<domain::client_record>(
      any_participant(), any_id_or_zero<domain::client_id>(), any_number(), any_number(),
      any_number(), any_time()));
    return head;
  });
}

inline Gen<domain::account_record> any_account() {
  return rc::gen::construct<domain::account_record>(
    any_text(), any_of(domain::role::agent, domain::role::administrator), any_flag(),
    any_id_or_zero<domain::team_id>(), any_small(), any_time());
}

inline Gen<domain::token_record> any_token() {
  return rc::gen::construct<domain::token_record>(bytes_of(32), any_time(), any_time(), any_text());
}

inline Gen<domain::visitor_record> any_visitor() {
  return rc::gen::construct<domain::visitor_record>(any_id_or_zero<domain::inbox_id>(), any_text(),
                                                    any_time());
}

inline Gen<domain::inbox_record> any_inbox() {
  return rc::gen::construct<domain::inbox_record>(any_text(), any_text(), some_of(any_text()),
                                                  any_id_or_zero<domain::team_id>(), any_time());
}

inline Gen<domain::tenant_record> any_tenant() {
  return rc::gen::construct<domain::tenant_record>(any_text(), bytes_of(32), any_time());
}

} // namespace frontdesk::test
