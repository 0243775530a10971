#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// What tests do to the files of a store behind its back.
namespace frontdesk::test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline void flip_bit(const std::string& path, std::size_t offset) {
  auto bytes = read_file(path);
  bytes.at(offset) = static_cast<char>(bytes.at(offset) ^ 0x04);
  write_file(path, bytes);
}

/// Regular files that are not empty and whose name ends so, oldest number first.
inline std::vector<std::string> files_of(const std::string& folder, std::string_view suffix) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.file_size() > 0 && entry.path().string().ends_with(suffix))
      found.push_back(entry.path().string());
  std::ranges::sort(found);
  return found;
}

/// Every file with its bytes, to show that nothing was changed.
inline std::map<std::string, std::string> contents_of(const std::string& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      contents.emplace(entry.path().string(), read_file(entry.path().string()));
  return contents;
}

inline void copy_folder(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

} // namespace frontdesk::test
