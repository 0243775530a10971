#pragma once

#include "domain/ids.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Protobuf's wire format by hand, for the few messages that are made once or more for every event.
/// The bytes equal those of the generated classes: fields ascending, zero values left out. Private
/// to this folder.
namespace frontdesk::proto {

inline constexpr std::size_t varint_bytes_max = 10;

constexpr std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7)
    ++size;
  return size;
}

inline char* put_varint(char* out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

inline void append_varint(std::string& out, std::uint64_t value) {
  char bytes[varint_bytes_max];
  out.append(bytes, put_varint(bytes, value));
}

/// Little-endian, as protobuf's fixed64.
inline char* put_fixed64(char* out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i)
    *out++ = static_cast<char>(value >> (8 * i));
  return out;
}

/// Tag of a field; numbers up to 15 only, whose tag is one byte.
enum class wire_type : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2 };

constexpr char tag_of(int field, wire_type type) {
  return static_cast<char>(field << 3 | static_cast<int>(type));
}

/// Size of a tag, a length and that many bytes.
constexpr std::size_t bytes_field_size(std::size_t length) {
  return 1 + varint_size(length) + length;
}

/// Tag and length of a field whose bytes follow.
inline void append_length(std::string& out, int field, std::size_t size) {
  out.push_back(tag_of(field, wire_type::bytes));
  append_varint(out, size);
}

inline void append_bytes(std::string& out, int field, std::string_view bytes) {
  append_length(out, field, bytes.size());
  out += bytes;
}

/// Fields of bounded size, put together on the stack. `Capacity` is the caller's sum over all of
/// its fields: 11 bytes for a number, 9 for a fixed64, 18 for an id, 2 for a flag or a length below
/// 128.
template <std::size_t Capacity>
class field_buffer {
public:
  void number(int field, std::uint64_t value) {
    if (value == 0)
      return;
    *end_++ = tag_of(field, wire_type::varint);
    end_ = put_varint(end_, value);
  }

  void flag(int field, bool value) { number(field, value ? 1 : 0); }

  void time(int field, domain::unix_ms value) { number(field, static_cast<std::uint64_t>(value)); }

  void fixed64(int field, std::uint64_t value) {
    if (value == 0)
      return;
    *end_++ = tag_of(field, wire_type::fixed64);
    end_ = put_fixed64(end_, value);
  }

  template <class Tag>
  void id(int field, const domain::id16<Tag>& value) {
    if (value.is_zero())
      return;
    length(field, value.bytes.size());
    raw(value.view());
  }

  /// Tag and length of a field whose bytes follow as `raw`.
  void length(int field, std::size_t size) {
    *end_++ = tag_of(field, wire_type::bytes);
    end_ = put_varint(end_, size);
  }

  void raw(std::string_view bytes) {
    std::memcpy(end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }

  std::size_t size() const { return static_cast<std::size_t>(end_ - bytes_.data()); }

  std::string_view view() const { return {bytes_.data(), size()}; }

private:
  std::array<char, Capacity> bytes_;
  char* end_ = bytes_.data();
};

} // namespace frontdesk::proto
