#pragma once

#include "domain/account.hpp"
#include "domain/event.hpp"
#include "domain/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// Stored records as bytes; the grammar is in proto/FORMAT.md. Every value begins with a version
/// byte; a version that this build does not know is errc::format_unknown, damaged bytes are
/// errc::corrupt. Any thread.
namespace frontdesk::proto {

/// Envelope byte (0 = plain) | 8 random bytes | content.
std::string seal_part(std::string_view content, std::uint64_t random);
/// The content of stored part bytes, as a view into them.
domain::result<std::string_view> open_part(std::string_view part_bytes);

/// version | header length | header | revision | [public hash, staff hash if revision > 0] | public
/// part | staff part
std::string encode_event(const domain::stored_event& event);
/// Checks the part hashes: those of the header for revision 0, else those beside the revision.
domain::result<domain::stored_event> decode_event(domain::message_seq seq, std::string_view bytes);
/// The immutable header bytes inside an encoded event, for the shard's sum.
domain::result<std::string_view> header_bytes(std::string_view event_bytes);
/// An encoded event with the same header bytes and new parts.
domain::result<std::string> rewrite_event(std::string_view event_bytes,
                                          domain::message_seq revision,
                                          std::string_view public_bytes,
                                          std::string_view staff_bytes);

std::string encode(const domain::conversation_head& head);
domain::result<domain::conversation_head> decode_head(std::string_view bytes);
std::string encode(const domain::open_row& row);
domain::result<domain::open_row> decode_open_row(std::string_view bytes);
std::string encode(const domain::pointer& value);
domain::result<domain::pointer> decode_pointer(std::string_view bytes);
std::string encode(const domain::visitor_record& record);
domain::result<domain::visitor_record> decode_visitor(std::string_view bytes);
std::string encode(const domain::account_record& record);
domain::result<domain::account_record> decode_account(std::string_view bytes);
std::string encode(const domain::token_record& record);
domain::result<domain::token_record> decode_token(std::string_view bytes);
std::string encode(const domain::tenant_record& record);
domain::result<domain::tenant_record> decode_tenant(std::string_view bytes);
std::string encode(const domain::inbox_record& record);
domain::result<domain::inbox_record> decode_inbox(std::string_view bytes);
std::string encode(const domain::team_record& record);
domain::result<domain::team_record> decode_team(std::string_view bytes);

/// A dedup value that opens a conversation. Every dedup value begins version | created ms u64
/// big-endian, so that the store can drop old ones without knowing what they are.
std::string encode_opening(const domain::conversation_id& conversation, domain::unix_ms created);
domain::result<std::pair<domain::conversation_id, domain::unix_ms>>
decode_opening(std::string_view bytes);
domain::result<domain::unix_ms> dedup_created(std::string_view bytes);

} // namespace frontdesk::proto
