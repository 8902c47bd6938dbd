#include "conf/users_file.hpp"

#include <optional>
#include <set>

namespace weir::conf {

namespace {

/// Walks one line; what it cannot read it reports with the column.
class LineReader {
public:
    explicit LineReader(std::string_view line) : line_{line} {}

    [[nodiscard]] unsigned column() const { return static_cast<unsigned>(at_) + 1; }

    [[nodiscard]] bool at_end() {
        at_ = std::min(line_.find_first_not_of(" \t", at_), line_.size());
        return at_ == line_.size() || line_[at_] == ';';
    }

    /// @return the text between quotes, or nothing with at_ where it went wrong
    std::optional<std::string> quoted() {
        if (at_ >= line_.size() || line_[at_] != '"') {
            return std::nullopt;
        }
        std::string text;
        for (std::size_t i = at_ + 1; i < line_.size(); ++i) {
            if (line_[i] != '"') {
                text += line_[i];
            } else if (i + 1 < line_.size() && line_[i + 1] == '"') {
                text += '"';
                ++i;
            } else {
                at_ = i + 1;
                return text;
            }
        }
        return std::nullopt;
    }

private:
    std::string_view line_;
    std::size_t at_ = 0;
};

/// @return what is wrong with the line, or ""
std::string read_line(LineReader& reader, std::set<std::string>& seen, UsersFile& file) {
    UserLine user;
    auto name = reader.quoted();
    if (!name) {
        return R"(no quoted name; accepted: "name" "secret")";
    }
    if (name->empty()) {
        return R"(the name is empty; accepted: "name" "secret")";
    }
    if (reader.at_end()) {
        return R"(no secret after the name; accepted: "name" "secret", where "" is no secret)";
    }
    auto secret = reader.quoted();
    if (!secret) {
        return R"(the secret is not in quotes, or they do not end; accepted: "name" "secret")";
    }
    if (!seen.insert(*name).second) {
        return "user \"" + *name + "\" is in this file twice; accepted: one line each";
    }
    file.users.push_back({*std::move(name), *std::move(secret)});
    return {};
}

}  // namespace

UsersFile parse_users_file(std::string_view text, const std::string& file_name) {
    UsersFile file;
    std::set<std::string> seen;
    for (unsigned number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && line.back() == '\r') {
            line.remove_suffix(1);
        }
        LineReader reader{line};
        if (reader.at_end()) {
            continue;
        }
        const std::string wrong = read_line(reader, seen, file);
        if (!wrong.empty()) {
            file.problems.push_back({file_name, number, reader.column(), {}, wrong});
        }
    }
    return file;
}

}  // namespace weir::conf
