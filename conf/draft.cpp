#include "conf/draft.hpp"

#include "base/check.hpp"
#include "conf/value.hpp"

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

namespace weir::conf {

namespace {

constexpr std::string_view kEnvironment = "environment";
constexpr std::string_view kFilePrefix = "file:";
/// A secret is a line; a file this long is the wrong file.
constexpr std::size_t kMaxSecretBytes = 64UL * 1024;
constexpr std::size_t kReadChunkBytes = 16UL * 1024;

}  // namespace

Parsed<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
    errno = 0;
    std::ifstream stream{path, std::ios::binary};
    std::string text;
    std::array<char, kReadChunkBytes> chunk{};
    while (stream && text.size() <= bytes_max) {
        stream.read(chunk.data(), chunk.size());
        text.append(chunk.data(), static_cast<std::size_t>(stream.gcount()));
    }
    if (text.size() > bytes_max) {
        return Parsed<std::string>::bad("is longer than " + format_size(bytes_max));
    }
    // A folder can be opened and then not read.
    if (!stream.eof() || stream.bad()) {
        const int error = errno == 0 ? EIO : errno;
        return Parsed<std::string>::bad("cannot be read: " +
                                        std::generic_category().message(error));
    }
    return Parsed<std::string>::good(std::move(text));
}

Problem problem_at(const Places& places,
                   const std::string& file,
                   const std::string& key,
                   const std::string& message) {
    std::string section = key;
    auto found = places.find(section);
    while (found == places.end() && section.rfind('.') != std::string::npos) {
        section.resize(section.rfind('.'));
        found = places.find(section);
    }
    const Place place = found == places.end() ? Place{} : found->second;
    if (!place.variable.empty()) {
        return {std::string{kEnvironment}, 0, 0, place.variable, message};
    }
    return {file.empty() ? std::string{kEnvironment} : file,
            place.at.line,
            place.at.column,
            key,
            message};
}

void Draft::complain(const std::string& key, const std::string& message) {
    broken.insert(key);
    problems.push_back(problem_at(places, file_name, key, message));
}

void Draft::complain_at(Position at, const std::string& key, const std::string& message) {
    broken.insert(key);
    problems.push_back({file_name.empty() ? std::string{kEnvironment} : file_name,
                        at.line,
                        at.column,
                        key,
                        message});
}

void Draft::complain_about_variable(const std::string& variable, const std::string& message) {
    problems.push_back({std::string{kEnvironment}, 0, 0, variable, message});
}

void Draft::put_text(const Setting& setting,
                     const std::string& path,
                     const std::string& variable,
                     std::string_view text) {
    auto value = parse_value(setting, text);
    if (!value.value) {
        const bool is_secret = setting.secrecy == Secrecy::Secret;
        complain_about_variable(
            variable, (is_secret ? "the value" : toml_string(text)) + " " + value.problem);
        return;
    }
    if (auto* secret = std::get_if<std::string>(&*value.value);
        secret != nullptr && setting.secrecy == Secrecy::Secret) {
        if (const std::string wrong = resolve_secret(*secret); !wrong.empty()) {
            complain_about_variable(variable, wrong);
            return;
        }
    }
    void* object = path == kReadPoolPath ? &config.read_pool : object_of(setting.section);
    store_field(setting).put(object, *value.value);
    places[join_key(path, setting.key)] = Place{{}, variable};
}

std::string Draft::resolve_secret(std::string& value) {
    if (value.rfind(kFilePrefix, 0) != 0) {
        return {};
    }
    const std::string path = beside_file(value.substr(kFilePrefix.size()));
    auto text = read_text_file(path, kMaxSecretBytes);
    files.push_back(path);
    if (!text.value) {
        return "the file " + toml_string(path) + " " + text.problem +
               "; accepted: file:PATH of a readable file";
    }
    value = *std::move(text.value);
    for (const char line_end : {'\n', '\r'}) {
        if (!value.empty() && value.back() == line_end) {
            value.pop_back();
        }
    }
    return {};
}

std::string Draft::beside_file(const std::string& path) const {
    const std::size_t slash = file_name.rfind('/');
    const bool is_absolute = !path.empty() && path.front() == '/';
    return is_absolute || slash == std::string::npos ? path : file_name.substr(0, slash + 1) + path;
}

void* Draft::object_of(Section section) {
    switch (section) {
        case Section::Pool: return &pool;
        case Section::Policy: return &policy;
        case Section::Retry: return &policy.retry;
        default: return section_object(config, section);
    }
}

void Draft::put_defaults(Section section, void* object) const {
    for (const Setting& setting : settings()) {
        if (setting.section == section) {
            auto value = parse_value(setting, default_text(setting, config.profile));
            WEIR_CHECK(value.value.has_value());
            setting.field.put(object, *value.value);
        }
    }
}

}  // namespace weir::conf
