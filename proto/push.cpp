#include "frames.pb.h"
#include "proto/codec.hpp"
#include "proto/field_buffer.hpp"

// The frames that are made for every message, written without a message object.
namespace frontdesk::proto {

using namespace domain;

// ----------------------------------------------------------------------------------

std::string encode_push(const push_envelope& envelope, const event_header& header,
                        std::string_view public_content, std::string_view staff_content,
                        audience who) {
  const bool staff = who == audience::staff;
  field_buffer<160> fields;
  fields.id(v1::Event::kConversationFieldNumber, envelope.conversation);
  if (staff)
    fields.number(v1::Event::kSeqFieldNumber, envelope.seq);
  fields.number(v1::Event::kVisibleSeqFieldNumber, header.visible_seq);
  fields.number(v1::Event::kKindFieldNumber, static_cast<std::uint64_t>(header.kind));
  fields.time(v1::Event::kTimeFieldNumber, header.time);
  if (staff) {
    field_buffer<32> author;
    author.number(v1::Participant::kKindFieldNumber,
                  static_cast<std::uint64_t>(header.author.kind));
    author.id(v1::Participant::kIdFieldNumber, header.author.id);
    fields.length(v1::Event::kAuthorFieldNumber, author.size());
    fields.raw(author.view());
  }
  // An agent's numbers count notes too, which a visitor must not learn of.
  if (staff || header.author.kind == participant_kind::visitor) {
    fields.id(v1::Event::kClientFieldNumber, header.client.client);
    fields.number(v1::Event::kClientSeqFieldNumber, header.client.seq);
  }
  fields.number(v1::Event::kTargetFieldNumber, envelope.target);
  fields.number(v1::Event::kRevisionFieldNumber, envelope.revision);
  if (staff)
    fields.flag(v1::Event::kHiddenFieldNumber, header.hidden);
  else
    staff_content = {};

  auto size = fields.size();
  if (!public_content.empty())
    size += bytes_field_size(public_content.size());
  if (!staff_content.empty())
    size += bytes_field_size(staff_content.size());
  std::string frame;
  frame.reserve(bytes_field_size(size));
  append_length(frame, v1::ServerFrame::kEventFieldNumber, size);
  frame += fields.view();
  if (!public_content.empty())
    append_bytes(frame, v1::Event::kPublicFieldNumber, public_content);
  if (!staff_content.empty())
    append_bytes(frame, v1::Event::kStaffFieldNumber, staff_content);
  return frame;
}

std::string encode_history_page(std::uint64_t request, const conversation_id& conversation,
                                bool more, const std::vector<std::string>& pushes) {
  field_buffer<32> fields;
  fields.number(v1::HistoryPage::kRequestFieldNumber, request);
  fields.id(v1::HistoryPage::kConversationFieldNumber, conversation);
  field_buffer<2> last;
  last.flag(v1::HistoryPage::kMoreFieldNumber, more);

  auto size = fields.size() + last.size();
  for (const auto& push : pushes)
    size += push.size();
  std::string frame;
  frame.reserve(bytes_field_size(size));
  append_length(frame, v1::ServerFrame::kHistoryFieldNumber, size);
  frame += fields.view();
  for (const auto& push : pushes) {
    // A push is one length-delimited field already; in a page it has another number, and that is
    // its first byte.
    frame.push_back(tag_of(v1::HistoryPage::kEventsFieldNumber, wire_type::bytes));
    frame.append(push, 1);
  }
  frame += last.view();
  return frame;
}

std::string encode_acknowledge(const acknowledge& ack) {
  field_buffer<112> fields;
  fields.id(v1::Acknowledge::kConversationFieldNumber, ack.conversation);
  fields.id(v1::Acknowledge::kOpeningFieldNumber, ack.opening);
  fields.id(v1::Acknowledge::kClientFieldNumber, ack.key.client);
  fields.number(v1::Acknowledge::kClientSeqFieldNumber, ack.key.seq);
  fields.number(v1::Acknowledge::kSeqFieldNumber, ack.seq);
  fields.number(v1::Acknowledge::kVisibleSeqFieldNumber, ack.visible_seq);
  fields.time(v1::Acknowledge::kTimeFieldNumber, ack.time);
  fields.number(v1::Acknowledge::kNumberFieldNumber, ack.number);
  std::string frame;
  frame.reserve(bytes_field_size(fields.size()));
  append_bytes(frame, v1::ServerFrame::kAcknowledgeFieldNumber, fields.view());
  return frame;
}

} // namespace frontdesk::proto
