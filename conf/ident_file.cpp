#include "conf/hba_file.hpp"

#include <optional>
#include <utility>

namespace weir::conf {

namespace {

constexpr std::size_t kColumns = 3;

std::optional<NamePattern> pattern_of(const Word& word, std::string& problem) {
    if (word.begins_with('/')) {
        return NamePattern::regex(word.text.substr(1), problem);
    }
    return NamePattern::exactly(word.text);
}

/// @return what is wrong, or ""
std::string read_rule(const AuthLine& line, IdentRule& rule) {
    if (line.fields.size() != kColumns) {
        return "has " + std::to_string(line.fields.size()) +
               " columns; accepted: map, system user, database user";
    }
    for (const WordList& field : line.fields) {
        if (field.size() != 1) {
            return "has a list; accepted: one word in each column";
        }
    }
    const Word& system = line.fields[1].front();
    const Word& user = line.fields[2].front();
    rule.map = line.fields[0].front().text;
    rule.is_for_all_users = user.is("all");
    if (user.begins_with('+')) {
        return user.text + " is not supported: who is a member of which role is not known here";
    }
    std::string problem;
    auto system_pattern = pattern_of(system, problem);
    auto user_pattern = pattern_of(user, problem);
    if (!system_pattern || !user_pattern) {
        return (system_pattern ? user.text : system.text) + " is no regular expression: " + problem;
    }
    rule.system = *std::move(system_pattern);
    rule.user = *std::move(user_pattern);
    const bool has_group = !rule.user.is_regex() && user.text.find("\\1") != std::string::npos;
    if (has_group && rule.system.is_regex() && rule.system.text().find('(') == std::string::npos) {
        return user.text + " wants what parentheses match, and " + system.text + " has none";
    }
    return {};
}

}  // namespace

IdentFile parse_ident_file(std::string_view text, const std::string& path, FileAccess& access) {
    AuthLines lines = read_auth_lines(text, path, access);
    IdentFile file;
    file.problems = std::move(lines.problems);
    for (const AuthLine& line : lines.lines) {
        IdentRule rule;
        const std::string wrong = read_rule(line, rule);
        if (wrong.empty()) {
            file.rules.push_back(std::move(rule));
        } else {
            file.problems.push_back(
                {line.file, line.number, line.fields.front().front().column, {}, wrong});
        }
    }
    return file;
}

}  // namespace weir::conf
