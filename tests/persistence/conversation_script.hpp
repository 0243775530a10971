#pragma once

#include "domain/conversation.hpp"
#include "domain/ports/event_store.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// Writes appends as a conversation actor would, so that tests speak of messages and notes instead
/// of headers.
namespace frontdesk::test {

/// Ids made of a number, so that what a test prints can be read.
template <class Id>
Id numbered(std::uint64_t number) {
  Id id;
  for (std::size_t i = 0; i < 8; ++i)
    id.bytes[15 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return id;
}

class conversation_script {
public:
  conversation_script(domain::tenant_id tenant, domain::shard_id shard, std::uint64_t number);
  /// Goes on where the store stands.
  conversation_script(const domain::entity_key& entity, const domain::loaded_conversation& loaded);

  const domain::entity_key& entity() const { return entity_; }

  domain::entity_key open_entity() const;
  domain::entity_key visitor_entity() const;

  domain::conversation_id id() const {
    return domain::id_cast<domain::conversation_id>(entity_.id);
  }

  domain::message_seq seq() const { return head_.seq; }

  domain::message_seq visible_seq() const { return head_.visible_seq; }

  const domain::conversation_head& head() const { return head_; }

  /// The first message, with everything that is written when a conversation begins.
  domain::append open(std::string_view text = "hello");
  /// A visitor's messages, without a head; the first also opens again what was resolved.
  domain::append say(std::string_view text, std::size_t count = 1);
  /// An agent's note, which no visitor sees.
  domain::append note(std::string_view text, std::size_t count = 1);
  domain::append assign(const domain::account_id& account);
  domain::append resolve();
  domain::append edit(domain::message_seq target, std::string_view text);
  /// Only the head as it is.
  domain::append save() const;

  /// What `say` stores for this text, and back.
  static std::string public_bytes(std::string_view text, std::uint64_t random);
  static std::string text_of(const domain::stored_event& event);

private:
  domain::append start() const;
  void add(domain::append& to, domain::event_header header, std::string public_part,
           std::string staff_part);
  void finish(domain::append& to) const;
  std::string next_text_part(std::string_view text);

  domain::entity_key entity_;
  domain::conversation_head head_{};
};

} // namespace frontdesk::test
