#pragma once

#include "domain/frames.hpp"
#include "domain/ports/connection.hpp"
#include "domain/result.hpp"

#include <string>
#include <string_view>

/// The one codec between frames as values and frames as bytes. `form` chooses binary protobuf or
/// canonical proto3 JSON of the same schema (frames.proto). Any thread.
namespace frontdesk::proto {

using domain::wire_form;

/// errc::bad_frame for bytes that are no frame, errc::unsupported for a frame of a kind this build
/// does not know (unknown *fields* are ignored), errc::bad_request for ids of a wrong length or
/// missing required fields, errc::bad_text for text that is not UTF-8. Lengths of texts are the
/// session's business.
domain::result<domain::client_frame> decode_client(std::string_view bytes, wire_form form);
domain::result<domain::server_frame> decode_server(std::string_view bytes, wire_form form);

std::string encode(const domain::client_frame& frame, wire_form form);
std::string encode(const domain::server_frame& frame, wire_form form);

/// Content of a part: what stands in the store behind the envelope (records.hpp), and in a push as
/// it is.
std::string encode(const domain::public_part& part);
std::string encode(const domain::staff_part& part);
domain::result<domain::public_part> decode_public_part(std::string_view content);
domain::result<domain::staff_part> decode_staff_part(std::string_view content);

/// Who a push is for.
enum class audience : std::uint8_t { visitor, staff };

/// The envelope of an event push. `target` is already in the audience's numbers.
struct push_envelope {
  domain::conversation_id conversation{};
  domain::message_seq seq = 0; ///< left out for visitors
  domain::message_seq target = 0;
  domain::message_seq revision
    = 0; ///< of the parts, 0 = original; the visitor's number for visitors
};

/// A whole `event` server frame in the binary form, made by appending the opened part bytes to an
/// envelope: nothing of the parts is parsed. The hot path. The result equals encode(event_push,
/// proto) but for the order of unknown fields.
std::string encode_push(const push_envelope& envelope, const domain::event_header& header,
                        std::string_view public_content, std::string_view staff_content,
                        audience who);

/// A history page from events already encoded by encode_push, in the binary form.
std::string encode_history_page(std::uint64_t request, const domain::conversation_id& conversation,
                                bool more, const std::vector<std::string>& pushes);

/// Any server frame from its binary to its JSON form.
domain::result<std::string> to_json(std::string_view binary_server_frame);

/// acknowledge in the binary form, without building a message object. The hot path.
std::string encode_acknowledge(const domain::acknowledge& ack);

} // namespace frontdesk::proto
