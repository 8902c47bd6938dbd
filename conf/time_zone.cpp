#include "conf/time_zone.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>

namespace weir::conf {

namespace {

constexpr const char* kAccepted =
    "is no time zone; accepted: an IANA name such as \"UTC\" or \"Europe/Berlin\"";
constexpr std::size_t kMaxBytes = 64;
/// What each of the files begins with, unlike the others in their folder.
constexpr std::string_view kMagic = "TZif";

bool is_of_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '+' || c == '/';
}

}  // namespace

std::string problem_of_time_zone(std::string_view name, std::string_view folder) {
    // Without dots there is no way out of the folder.
    const bool is_name = !name.empty() && name.size() <= kMaxBytes && name.front() != '/' &&
                         std::all_of(name.begin(), name.end(), is_of_name);
    if (!is_name) {
        return kAccepted;
    }
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) {
        return {};
    }
    std::ifstream file{std::string{folder} + "/" + std::string{name}, std::ios::binary};
    std::array<char, kMagic.size()> start{};
    file.read(start.data(), start.size());
    const bool is_zone = file && std::string_view{start.data(), start.size()} == kMagic;
    return is_zone ? "" : kAccepted;
}

}  // namespace weir::conf
