#include "policies/rules.hpp"

#include "base/wildcard.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "sql/lexer.hpp"

namespace weir::policies {

namespace {

constexpr int kHexadecimal = 16;
constexpr unsigned char kFirstBeyondAscii = 0x80;

bool matches_if_asked(std::string_view name, std::string_view pattern) {
    return pattern.empty() || matches_wildcard(name, pattern);
}

/// @return whether a word or a quoted name of that table stands anywhere in a text nobody
/// understands
bool may_name_table(std::string_view text, std::string_view wanted) {
    const std::string_view last = wanted.substr(wanted.rfind('.') + 1);
    sql::Lexer lexer{text};
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::End; token = lexer.next()) {
        const bool is_name =
            token.kind == sql::TokenKind::Word || token.kind == sql::TokenKind::Quoted;
        if (is_name && (token.has_escapes || sql::name_of(token) == last)) {
            return true;
        }
    }
    return false;
}

/// @return whether the bytes of that table's name stand anywhere in a text, or may do so in another
/// encoding or in escapes: the server may read the text otherwise than we do
bool may_mention_table(std::string_view text, std::string_view wanted) {
    const std::string_view last = wanted.substr(wanted.rfind('.') + 1);
    const auto contains = [text](std::string_view part) {
        const auto found = std::search(
            text.begin(), text.end(), part.begin(), part.end(), [](char one, char other) {
                return sql::lower(one) == sql::lower(other);
            });
        return found != text.end();
    };
    const bool is_written_in_one_way = std::all_of(last.begin(), last.end(), [](char c) {
        return static_cast<unsigned char>(c) < kFirstBeyondAscii && c != '"';
    });
    return !is_written_in_one_way || contains("u&") || contains(last);
}

/// @param wanted "orders", in any schema, or "public.orders"
bool names_table(const Subject& subject, std::string_view wanted) {
    if (subject.is_doubtful) {
        return may_mention_table(subject.text, wanted);
    }
    if (subject.facts == nullptr || !subject.facts->is_understood) {
        return may_name_table(subject.text, wanted);
    }
    const auto& tables = subject.facts->tables;
    return std::any_of(tables.begin(), tables.end(), [wanted](const sql::QualifiedName& table) {
        return table.name == wanted ||
               (!table.schema.empty() && table.schema + "." + table.name == wanted);
    });
}

/// @param text 16 hexadecimal digits: they were checked when they were read
std::uint64_t digest_of(std::string_view text) {
    std::uint64_t digest = 0;
    std::from_chars(text.data(), text.data() + text.size(), digest, kHexadecimal);
    return digest;
}

}  // namespace

struct Rules::Rule {
    conf::RuleSettings settings;
    std::uint64_t digest = 0;    // where there is one
    std::unique_ptr<RE2> regex;  // nullptr: it has none

    [[nodiscard]] bool is_about(const Session& session) const {
        const conf::RuleMatch& match = settings.match;
        return matches_if_asked(session.database, match.database) &&
               matches_if_asked(session.user, match.user) &&
               matches_if_asked(session.application_name, match.application_name);
    }

    /// @return whether nothing but who sends a statement decides
    [[nodiscard]] bool is_about_all() const {
        const conf::RuleMatch& match = settings.match;
        return match.digest.empty() && match.table.empty() && regex == nullptr;
    }

    /// The dearest comes last.
    [[nodiscard]] bool is_about(const Subject& subject) const {
        const conf::RuleMatch& match = settings.match;
        return (match.digest.empty() || subject.digest == digest) &&
               (match.table.empty() || names_table(subject, match.table)) &&
               (regex == nullptr ||
                RE2::PartialMatch({subject.text.data(), subject.text.size()}, *regex));
    }
};

Rules::Rules(const std::vector<conf::RuleSettings>& rules) {
    for (const conf::RuleSettings& settings : rules) {
        auto rule = std::make_unique<Rule>();
        rule->settings = settings;
        rule->digest = digest_of(settings.match.digest);
        if (!settings.match.regex.empty()) {
            RE2::Options options;
            options.set_log_errors(false);  // it has been checked when it was read
            rule->regex = std::make_unique<RE2>(settings.match.regex, options);
        }
        rules_.push_back(std::move(rule));
    }
}

Rules::~Rules() = default;

Match Rules::match(std::size_t index, const Subject& subject) const {
    const Rule& rule = *rules_.at(index);
    if (!rule.is_about(subject.session)) {
        return Match::No;
    }
    if (subject.is_unread) {
        return rule.is_about_all() ? Match::Yes : Match::Maybe;
    }
    if (!rule.is_about(subject)) {
        return Match::No;
    }
    const bool is_certain = !subject.is_doubtful || rule.settings.match.table.empty();
    return is_certain ? Match::Yes : Match::Maybe;
}

const conf::RuleSet& Rules::set_of(std::size_t index) const {
    return rules_.at(index)->settings.set;
}

bool Rules::needs_text(const Session& session) const {
    return std::any_of(rules_.begin(), rules_.end(), [&session](const auto& rule) {
        return rule->regex != nullptr && rule->is_about(session);
    });
}

bool Rules::needs_facts(const Session& session) const {
    return std::any_of(rules_.begin(), rules_.end(), [&session](const auto& rule) {
        const bool asks =
            !rule->settings.match.table.empty() || rule->settings.set.read_only.value_or(false);
        return asks && rule->is_about(session);
    });
}

}  // namespace weir::policies
