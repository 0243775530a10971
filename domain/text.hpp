#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text as people write it. Any thread.
namespace frontdesk::domain {

/// True for well-formed UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above
/// U+10FFFF.
bool valid_utf8(std::string_view text);

/// The longest beginning of at most `bytes_max` bytes that does not cut a character of valid UTF-8.
std::string cut_utf8(std::string_view text, std::size_t bytes_max);

} // namespace frontdesk::domain
