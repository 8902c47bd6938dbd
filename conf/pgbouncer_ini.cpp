#include "conf/pgbouncer_ini.hpp"

#include "conf/draft.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace weir::conf {

namespace {

constexpr std::size_t kMaxIniBytes = 16UL * 1024 * 1024;
/// libusual's limit (cfparser.c).
constexpr int kIncludesMax = 10;
constexpr std::string_view kInclude = "%include";
constexpr std::array<std::string_view, 4> kSections{"databases", "users", "peers", "pgbouncer"};

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool is_space(char c) {
    return is_blank(c) || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

bool is_key_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"_.-*"}.find(c) != std::string_view::npos;
}

/// One line at a time: nothing in such a file spans lines.
class Reader {
public:
    explicit Reader(IniFile& into) : into_{into} {}

    void read(const std::string& path, int depth) {
        const auto text = read_text_file(path, kMaxIniBytes);
        if (!text.value) {
            into_.problems.push_back({path, 0, 0, {}, text.problem});
            return;
        }
        unsigned number = 0;
        for (std::string_view rest = *text.value; !rest.empty() && !is_too_deep_;) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            ++number;
            read_line(rest.substr(0, end), {path, number}, depth);
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }

private:
    static std::string_view trimmed(std::string_view line) {
        while (!line.empty() && is_space(line.front())) {
            line.remove_prefix(1);
        }
        while (!line.empty() && is_space(line.back())) {
            line.remove_suffix(1);
        }
        return line;
    }

    void complain(const IniPlace& at, std::string message) {
        into_.problems.push_back({at.file, at.line, 1, {}, std::move(message)});
    }

    void read_line(std::string_view line, const IniPlace& at, int depth) {
        line = trimmed(line);
        while (!line.empty() && line.front() == '[') {
            if (!take_section(line, at)) {
                return;
            }
        }
        if (line.substr(0, kInclude.size()) == kInclude && line.size() > kInclude.size() &&
            is_blank(line[kInclude.size()])) {
            read_include(trimmed(line.substr(kInclude.size())), at, depth);
        } else if (!line.empty() && line.front() != '#' && line.front() != ';') {
            read_entry(line, at);
        }
    }

    void read_include(std::string_view path, const IniPlace& at, int depth) {
        if (depth >= kIncludesMax) {
            complain(at, "is nested too deep; accepted: ten files within each other");
            is_too_deep_ = true;
            return;
        }
        read(std::string{path}, depth + 1);
    }

    /// Takes `[name]` off the front of `line`, and the spaces after it.
    /// @return whether the rest of the line is to be read
    [[nodiscard]] bool take_section(std::string_view& line, const IniPlace& at) {
        const std::size_t end = line.find(']');
        if (end == std::string_view::npos) {
            complain(at,
                     "a section without its ]; accepted: [databases], [users], [peers], "
                     "[pgbouncer]");
            return false;
        }
        section_ = line.substr(1, end - 1);
        line = trimmed(line.substr(end + 1));
        if (std::find(kSections.begin(), kSections.end(), section_) == kSections.end()) {
            complain(at,
                     "unknown section [" + section_ +
                         "]; accepted: [databases], [users], [peers], [pgbouncer]");
            return false;
        }
        return true;
    }

    void read_entry(std::string_view line, const IniPlace& at) {
        std::string key;
        std::size_t used = 0;
        if (line.front() == '"') {
            used = read_quoted(line, key);
        } else {
            while (used < line.size() && is_key_char(line[used])) {
                ++used;
            }
            key = line.substr(0, used);
        }
        std::string_view rest = trimmed(line.substr(used));
        if (key.empty() || rest.empty() || rest.front() != '=') {
            complain(at,
                     "is no setting; accepted: key = value, [section], %include FILE, or a "
                     "comment that begins with ; or #");
            return;
        }
        if (section_.empty()) {
            complain(at,
                     "stands before the first section; accepted: [databases], [users], "
                     "[peers] or [pgbouncer] above it");
            return;
        }
        rest = trimmed(rest.substr(1));
        into_.entries.push_back({section_, std::move(key), std::string{rest}, at});
    }

    /// @return how much of `line` the quoted name takes; 0 when it does not end
    static std::size_t read_quoted(std::string_view line, std::string& key) {
        for (std::size_t i = 1; i < line.size(); ++i) {
            if (line[i] == '"') {
                if (i + 1 >= line.size() || line[i + 1] != '"') {
                    return i + 1;
                }
                ++i;
            }
            key += line[i];
        }
        key.clear();
        return 0;
    }

    IniFile& into_;
    std::string section_;
    bool is_too_deep_ = false;  ///< then nothing more is read: a file may include itself many times
};

// Each of these takes what it names off the front of `text`.

void skip_spaces(std::string_view& text) {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
}

std::string take_first(std::string_view& text, std::size_t count) {
    std::string first{text.substr(0, count)};
    text.remove_prefix(count);
    return first;
}

std::string take_key(std::string_view& text) {
    const auto* const end =
        std::find_if(text.begin(), text.end(), [](char c) { return c == '=' || is_space(c); });
    return take_first(text, static_cast<std::size_t>(end - text.begin()));
}

/// @param text begins with the quote
/// @return nothing when the quote does not end
std::optional<std::string> take_quoted(std::string_view& text) {
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '\'') {
            if (text.substr(i, 2) != "''") {
                text.remove_prefix(i + 1);
                return value;
            }
            ++i;
        }
        value += text[i];
    }
    return std::nullopt;
}

std::optional<std::string> take_value(std::string_view& text) {
    if (!text.empty() && text.front() == '\'') {
        return take_quoted(text);
    }
    const auto* const end = std::find_if(text.begin(), text.end(), is_space);
    return take_first(text, static_cast<std::size_t>(end - text.begin()));
}

}  // namespace

IniFile read_pgbouncer_ini(const std::string& path) {
    IniFile file;
    Reader{file}.read(path, 0);
    return file;
}

Parsed<IniPairs> parse_connection_string(std::string_view text) {
    IniPairs pairs;
    for (skip_spaces(text); !text.empty(); skip_spaces(text)) {
        std::string key = take_key(text);
        skip_spaces(text);
        if (key.empty() || text.empty() || text.front() != '=') {
            return Parsed<IniPairs>::bad("a word without its =; accepted: key=value …");
        }
        text.remove_prefix(1);
        skip_spaces(text);
        auto value = take_value(text);
        if (!value) {
            return Parsed<IniPairs>::bad(
                "a ' without its end; accepted: key='value', with '' "
                "for a quote inside");
        }
        pairs.emplace_back(std::move(key), *std::move(value));
    }
    return Parsed<IniPairs>::good(std::move(pairs));
}

}  // namespace weir::conf
