#include "maintenance/partition_comment.hpp"

#include <array>
#include <cstdio>
#include <optional>

namespace weir::maintenance {

namespace {

std::string quoted(std::string_view text) {
    constexpr unsigned char kFirstPlain = 0x20;
    std::string json = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            json.append(1, '\\').append(1, c);
        } else if (static_cast<unsigned char>(c) < kFirstPlain) {
            std::array<char, 8> escape{};
            std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned char>(c));
            json += escape.data();
        } else {
            json += c;
        }
    }
    return json + "\"";
}

std::string member(std::string_view name, std::string_view value) {
    return value.empty() ? "" : "," + quoted(name) + ":" + quoted(value);
}

/// What follows a backslash: only what quoted() writes.
char unescaped(std::string_view text, std::size_t& at) {
    constexpr std::size_t kDigits = 4;
    if (text[at] != 'u' || at + kDigits >= text.size()) {
        return text[at];
    }
    unsigned code = 0;
    std::sscanf(std::string{text.substr(at + 1, kDigits)}.c_str(), "%x", &code);
    at += kDigits;
    return static_cast<char>(code);
}

/// @return a string's content and moves behind it; nothing where there is none
std::optional<std::string> take_string(std::string_view text, std::size_t& at) {
    if (at >= text.size() || text[at] != '"') {
        return std::nullopt;
    }
    std::string content;
    for (++at; at < text.size(); ++at) {
        if (text[at] == '"') {
            ++at;
            return content;
        }
        if (text[at] == '\\' && at + 1 < text.size()) {
            content += unescaped(text, ++at);
        } else {
            content += text[at];
        }
    }
    return std::nullopt;
}

}  // namespace

std::string PartitionComment::json() const {
    std::string text{kCommentMark.substr(0, kCommentMark.size() - 1)};
    text += member("table", table) + member("lo", lo) + member("hi", hi);
    return text + member("detached", detached) + member("action", action) + member("was", was) +
           "}";
}

PartitionComment PartitionComment::parse(std::string_view text) {
    PartitionComment comment;
    if (!text.starts_with(kCommentMark)) {
        return comment;
    }
    PartitionComment read;
    std::size_t at = kCommentMark.size();
    while (true) {
        const std::optional<std::string> name = take_string(text, at);
        if (!name || at >= text.size() || text[at++] != ':') {
            return comment;
        }
        std::optional<std::string> value = take_string(text, at);
        if (!value || at >= text.size()) {
            return comment;
        }
        for (const auto& [known, field] : {std::pair{"table", &read.table},
                                           std::pair{"lo", &read.lo},
                                           std::pair{"hi", &read.hi},
                                           std::pair{"detached", &read.detached},
                                           std::pair{"action", &read.action},
                                           std::pair{"was", &read.was}}) {
            if (*name == known) {
                *field = *value;
            }
        }
        if (text[at] == '}') {
            return read;
        }
        if (text[at++] != ',') {
            return comment;
        }
    }
}

}  // namespace weir::maintenance
