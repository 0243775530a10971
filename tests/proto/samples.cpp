#include "tests/proto/samples.hpp"

namespace frontdesk::test {

namespace {

using namespace domain;

// Beyond 2^53, so that a reader that goes through doubles is found out.
constexpr std::uint64_t large = 0xFEDC'BA98'7654'3210;
constexpr unix_ms time_sent = 1'700'000'000'123;

const auto talk = sample_id<conversation_id>(0x01);
const auto other_talk = sample_id<conversation_id>(0x21);
const auto opening = sample_id<opening_key>(0x31);
const auto client = sample_id<client_id>(0x41);
const auto ann = sample_id<entity_id>(0x51);
const auto bob = sample_id<entity_id>(0x61);
const auto sales = sample_id<team_id>(0x71);
const auto shop = sample_id<inbox_id>(0xF0);

const std::string greeting = "Hello, 你好, \"здравствуйте\" <b> \U0001F44B\n";

command command_with(command_body body) {
  return {talk, opening, {client, 7}, 5, std::move(body)};
}

command command_least(command_body body) {
  command frame;
  frame.conversation = talk;
  frame.key = {client, 1};
  frame.body = std::move(body);
  return frame;
}

event_push staff_push(event_kind kind, std::optional<public_part> open,
                      std::optional<staff_part> staff) {
  event_push frame;
  frame.conversation = talk;
  frame.seq = 12;
  frame.visible_seq = 9;
  frame.kind = kind;
  frame.time = time_sent;
  frame.author = participant{participant_kind::account, bob};
  frame.client = {client, 7};
  frame.public_content = std::move(open);
  frame.staff_content = std::move(staff);
  return frame;
}

open_row full_row() {
  open_row row;
  row.conversation = talk;
  row.number = 64 * 5 + 3;
  row.status = conversation_status::active;
  row.visitor = id_cast<visitor_id>(ann);
  row.visitor_name = "Ann";
  row.inbox = shop;
  row.team = sales;
  row.assignee = id_cast<account_id>(bob);
  row.assignee_name = "Bob";
  row.created = time_sent;
  row.waiting_since = time_sent + 1;
  row.seq = 12;
  row.excerpt = "Where is my parcel?";
  return row;
}

open_row least_row() {
  open_row row;
  row.conversation = other_talk;
  row.status = conversation_status::waiting;
  return row;
}

} // namespace

std::vector<frame_sample<client_frame>> client_samples() {
  const vector_cursor places{large, {{1, 5}, {17, large}, {63, 0}}};
  return {
    {"client_hello", hello{"token", "inbox-key", "Ann 安", large, {{talk, 4}, {other_talk, 0}}}},
    {"client_hello_minimal", hello{}},
    {"client_command_message", command_with(post_message{{greeting, 3}})},
    {"client_command_message_minimal", command_least(post_message{})},
    {"client_command_message_opening",
     command{{}, opening, {client, large}, large - 1, post_message{{"Hi", 0}}}},
    {"client_command_note", command_with(post_note{{"between us", 11}})},
    {"client_command_note_minimal", command_least(post_note{})},
    {"client_command_edit", command_with(edit_message{4, "better"})},
    {"client_command_edit_minimal", command_least(edit_message{1, ""})},
    {"client_command_recall", command_with(recall_message{4})},
    {"client_command_recall_minimal", command_least(recall_message{1})},
    {"client_command_assign", command_with(assign{id_cast<account_id>(bob), sales})},
    {"client_command_assign_minimal", command_least(assign{})},
    {"client_command_resolve", command_with(resolve{})},
    {"client_command_resolve_minimal", command_least(resolve{})},
    {"client_command_reopen", command_with(reopen{})},
    {"client_command_reopen_minimal", command_least(reopen{})},
    {"client_subscribe", subscribe{talk, 42}},
    {"client_subscribe_from_start", subscribe{talk, 0}},
    {"client_subscribe_minimal", subscribe{talk, std::nullopt}},
    {"client_unsubscribe", unsubscribe{talk}},
    {"client_history", history_request{3, talk, 100, true, 25}},
    {"client_history_minimal", history_request{0, talk}},
    {"client_mark", mark{talk, 9, 8}},
    {"client_mark_minimal", mark{talk}},
    {"client_typing", typing{talk, true}},
    {"client_typing_minimal", typing{talk}},
    {"client_set_presence", set_presence{presence_state::away, 4}},
    {"client_set_presence_minimal", set_presence{}},
    {"client_subscribe_list", subscribe_list{list_kind::mine, places}},
    {"client_subscribe_list_minimal", subscribe_list{list_kind::waiting, std::nullopt}},
    {"client_subscribe_list_empty_cursor", subscribe_list{list_kind::waiting, vector_cursor{}}},
    {"client_unsubscribe_list", unsubscribe_list{list_kind::mine}},
    {"client_ping", ping{large}},
    {"client_ping_minimal", ping{}},
  };
}

std::vector<frame_sample<server_frame>> server_samples() {
  const public_profile ann_profile{participant_kind::visitor, "Ann"};
  const public_profile bob_profile{participant_kind::account, "Bob"};
  const public_part text{bob_profile, text_content{greeting, 2}};

  auto edited = staff_push(event_kind::message, public_part{bob_profile, text_content{"better", 2}},
                           std::nullopt);
  edited.revision = 14;
  auto edit = staff_push(event_kind::edit, edited.public_content, std::nullopt);
  edit.target = 10;
  edit.revision = 12;
  auto recall = staff_push(event_kind::recall, public_part{bob_profile, recalled_content{}},
                           staff_part{recalled_content{}});
  recall.target = 10;
  recall.revision = 12;
  auto erase = recall;
  erase.kind = event_kind::erase;
  auto note
    = staff_push(event_kind::note, std::nullopt, staff_part{text_content{"between us", 11}});
  note.hidden = true;

  event_push for_visitor;
  for_visitor.conversation = talk;
  for_visitor.visible_seq = 9;
  for_visitor.kind = event_kind::message;
  for_visitor.time = time_sent;
  for_visitor.public_content = text;

  event_push least;
  least.conversation = talk;
  least.kind = event_kind::message;

  subscribed full_subscription;
  full_subscription.conversation = talk;
  full_subscription.reset = true;
  full_subscription.seq = 12;
  full_subscription.visible_seq = 9;
  full_subscription.status = conversation_status::active;
  full_subscription.number = 323;
  full_subscription.assignee_name = "Bob";
  full_subscription.visitor_name = "Ann";
  full_subscription.pointers
    = {{{participant_kind::visitor, ann}, 9, 8}, {{participant_kind::account, {}}, 12, 12}};
  full_subscription.own_clients = {{client, 7}, {sample_id<client_id>(0x81), large}};
  subscribed least_subscription;
  least_subscription.conversation = talk;
  least_subscription.status = conversation_status::waiting;

  welcome full_welcome;
  full_welcome.self = {participant_kind::visitor, ann};
  full_welcome.name = "Ann";
  full_welcome.token = "token";
  full_welcome.store_incarnation = large;
  full_welcome.server_time = time_sent;
  full_welcome.heartbeat_ms = 30'000;
  full_welcome.text_bytes_max = 32'768;
  full_welcome.in_flight_max = 128;
  full_welcome.conversations = {talk, other_talk};
  welcome least_welcome;
  least_welcome.self = {participant_kind::account, bob};

  const error reason{errc::rate_limited, "too fast", "text"};
  return {
    {"server_welcome", full_welcome},
    {"server_welcome_minimal", least_welcome},
    {"server_acknowledge", acknowledge{talk, opening, {client, 7}, 12, 9, time_sent, 323}},
    {"server_acknowledge_minimal", acknowledge{talk, {}, {client, 1}}},
    {"server_refuse", refuse{talk, opening, {client, 7}, reason, 1500}},
    {"server_refuse_minimal", refuse{{}, {}, {client, 1}, {errc::forbidden, ""}, 0}},
    {"server_gap", gap{talk, opening, {client, 7}, 5}},
    {"server_gap_minimal", gap{{}, {}, {client, 2}, 0}},
    {"server_event_message",
     staff_push(event_kind::message, text, staff_part{text_content{"to staff", 1}})},
    {"server_event_message_visitor", for_visitor},
    {"server_event_message_edited", edited},
    {"server_event_note", note},
    {"server_event_assignment",
     staff_push(event_kind::assignment, public_part{ann_profile, assignment_content{bob_profile}},
                staff_part{staff_assignment{id_cast<account_id>(bob), sales, large}})},
    {"server_event_assignment_queue",
     staff_push(event_kind::assignment, public_part{bob_profile, assignment_content{}},
                staff_part{staff_assignment{}})},
    {"server_event_status",
     staff_push(event_kind::status,
                public_part{bob_profile, status_content{conversation_status::resolved}},
                std::nullopt)},
    {"server_event_edit", edit},
    {"server_event_recall", recall},
    {"server_event_erase", erase},
    {"server_event_minimal", least},
    {"server_subscribed", full_subscription},
    {"server_subscribed_minimal", least_subscription},
    {"server_history", history_page{3, talk, {for_visitor, edited, note}, true}},
    {"server_history_minimal", history_page{0, talk}},
    {"server_pointer_moved", pointer_moved{talk, {{participant_kind::visitor, ann}, 9, 8}}},
    {"server_pointer_moved_minimal", pointer_moved{talk, {{participant_kind::account, {}}, 0, 0}}},
    {"server_typing_shown", typing_shown{talk, bob_profile, true}},
    {"server_typing_shown_minimal", typing_shown{talk, {participant_kind::visitor, ""}, false}},
    {"server_list_rows", list_rows{list_kind::mine,
                                   true,
                                   {full_row(), least_row()},
                                   {other_talk},
                                   {large, {{1, 5}, {63, large}}}}},
    {"server_list_rows_minimal", list_rows{list_kind::waiting}},
    {"server_queue_position", queue_position{talk, 3}},
    {"server_queue_position_minimal", queue_position{talk, 0}},
    {"server_presence_changed", presence_changed{presence_state::online, 6, 2}},
    {"server_presence_changed_minimal", presence_changed{}},
    {"server_problem", problem{reason, large, true, 1500}},
    {"server_problem_minimal", problem{{errc::internal, ""}}},
    {"server_resync", resync{talk}},
    {"server_resync_minimal", resync{}},
    {"server_go_away", go_away{2000}},
    {"server_go_away_minimal", go_away{}},
    {"server_pong", pong{large}},
    {"server_pong_minimal", pong{}},
  };
}

} // namespace frontdesk::test
