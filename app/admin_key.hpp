#pragma once

#include "app/config.hpp"
#include "domain/result.hpp"

#include <filesystem>
#include <string>

/// What the account verbs prove themselves with to the admin listener.
namespace frontdesk::app {

/// `admin.key` of the configuration, else the content of admin.key in the data folder.
/// errc::not_found when there is none yet, errc::io when it cannot be read.
domain::result<std::string> read_admin_key(const configuration& config);

/// As read_admin_key, but makes the file at the first start: 32 random bytes as base64url, mode
/// 0600, synced with its folder. The data folder exists. errc::config when others may read the
/// file.
domain::result<std::string> load_or_create_admin_key(const configuration& config);

std::filesystem::path admin_key_path(const configuration& config);

/// The whole of a small file; errc::not_found or errc::io with the path and the reason.
domain::result<std::string> read_small_file(const std::filesystem::path& path);

} // namespace frontdesk::app
