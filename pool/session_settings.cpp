#include "pool/session_settings.hpp"

#include "protocol/message_writer.hpp"
#include "protocol/startup.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace weir::pool {

namespace {

constexpr std::string_view kSetConfig = "SELECT pg_catalog.set_config($1, $2, false)";

/// What PostgreSQL reports because sessions change it (guc.c, GUC_REPORT), less what only reports a
/// state.
constexpr std::array<std::string_view, 6> kCarriedWhenReported = {"application_name",
                                                                  "client_encoding",
                                                                  "datestyle",
                                                                  "intervalstyle",
                                                                  "standard_conforming_strings",
                                                                  "timezone"};

constexpr std::string_view kClientEncoding = "client_encoding";

/// RESET ALL leaves out who the session acts as.
constexpr std::string_view kStatementTimeout = "statement_timeout";
constexpr std::string_view kNoTimeout = "SET statement_timeout TO 0; ";
constexpr std::string_view kResetAll = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL";

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/// Splits `options` as PostgreSQL's pg_split_opts() does: at white space, a backslash takes the
/// next character as it is.
std::vector<std::string> split_options(std::string_view text) {
    std::vector<std::string> words;
    std::size_t i = 0;
    while (i < text.size()) {
        if (is_space(text[i])) {
            ++i;
            continue;
        }
        std::string word;
        for (; i < text.size() && !is_space(text[i]); ++i) {
            if (text[i] == '\\' && i + 1 < text.size()) {
                ++i;
            }
            word += text[i];
        }
        words.push_back(std::move(word));
    }
    return words;
}

/// "some-name=value" -> {"some_name", "value"}, as PostgreSQL's ParseLongOption(); in its own case.
std::optional<std::pair<std::string, std::string>> split_assignment(std::string_view word) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
        return std::nullopt;
    }
    std::string name{word.substr(0, equals)};
    std::replace(name.begin(), name.end(), '-', '_');
    return std::pair{std::move(name), std::string{word.substr(equals + 1)}};
}

/// What a dial packet says of its own accord can never come out of a setting.
void add_setting(StartupWishes& wishes, std::string_view name, std::string_view value) {
    std::string lower = lower_case(name);
    if (!protocol::is_packet_word(lower)) {
        wishes.settings.insert_or_assign(std::move(lower), std::string{value});
    } else if (wishes.impossible_setting.empty()) {
        wishes.impossible_setting = name;
    }
}

Result<void> add_options(StartupWishes& wishes, std::string_view options) {
    const std::vector<std::string> words = split_options(options);
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view word = words[i];
        if (word == "-c" && i + 1 < words.size()) {
            word = words[++i];
        } else if (word.starts_with("-c") || word.starts_with("--")) {
            word.remove_prefix(2);
        } else {
            word = {};
        }
        auto assignment = split_assignment(word);
        if (!assignment) {
            return fail(ErrorCode::Unsupported,
                        sqlstate::kFeatureNotSupported,
                        "unsupported options startup parameter: only '-c config=val' and "
                        "'--config=val' are allowed");
        }
        add_setting(wishes, assignment->first, assignment->second);
    }
    return {};
}

/// PostgreSQL's parse_bool(): the words or what they begin with, in any case.
std::optional<bool> parse_bool(std::string_view text) {
    struct Word {
        std::string_view word;
        std::size_t least;  ///< bytes that tell it from the others
        bool value;
    };

    static constexpr std::array<Word, 8> kWords = {{{"true", 1, true},
                                                    {"false", 1, false},
                                                    {"yes", 1, true},
                                                    {"no", 1, false},
                                                    {"on", 2, true},
                                                    {"off", 2, false},
                                                    {"1", 1, true},
                                                    {"0", 1, false}}};
    const std::string lower = lower_case(text);
    const auto* const found = std::find_if(kWords.begin(), kWords.end(), [&](const Word& word) {
        return lower.size() >= word.least && word.word.starts_with(lower);
    });
    return found == kWords.end() ? std::nullopt : std::optional{found->value};
}

/// @return "" for an ordinary connection, else one word for each kind
Result<std::string> read_replication(const std::string& value) {
    constexpr std::string_view kDatabase = "database";
    if (value == kDatabase) {
        return std::string{kDatabase};
    }
    const auto is_wanted = parse_bool(value);
    if (!is_wanted) {
        return fail(ErrorCode::Rejected,
                    sqlstate::kInvalidParameterValue,
                    "invalid value for parameter \"replication\"");
    }
    return std::string{*is_wanted ? "true" : ""};
}

void write_set_config(ByteWriter& writer, std::string_view name, std::string_view value) {
    const std::array<std::optional<std::string>, 2> values = {std::string{name},
                                                              std::string{value}};
    protocol::write_bind(writer, "", "", values);
    protocol::write_execute(writer, "", 0);
}

std::string quoted_name(std::string_view name) {
    // A name with a dot is a class and a variable: each part is an identifier of its own.
    std::string quoted = "\"";
    for (const char c : name) {
        if (c == '"') {
            quoted += "\"\"";
        } else if (c == '.') {
            quoted += "\".\"";
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

/// Who the session acts as decides what it may set, so these go first and are set last.
bool is_role(std::string_view name) {
    return name == kRole || name == kSessionAuthorization;
}

/// @return the settings in the order in which they are to be set: what the rest is written in
/// first, who it is written by last
std::vector<const SettingsMap::value_type*> in_order(const SettingsMap& settings) {
    std::vector<const SettingsMap::value_type*> ordered;
    ordered.reserve(settings.size());
    const auto rank = [](std::string_view name) {
        constexpr std::array<std::string_view, 2> kLast = {kSessionAuthorization, kRole};
        const auto* const last = std::find(kLast.begin(), kLast.end(), name);
        return name == kClientEncoding ? 0 : (last == kLast.end() ? 1 : 2 + (last - kLast.begin()));
    };
    for (const auto& setting : settings) {
        ordered.push_back(&setting);
    }
    std::stable_sort(ordered.begin(), ordered.end(), [&](const auto* one, const auto* other) {
        return rank(one->first) < rank(other->first);
    });
    return ordered;
}

void add_reset(std::string& statements, std::string_view name) {
    statements += statements.empty() ? "RESET " : "; RESET ";
    statements += quoted_name(name);
}

std::string reset_statement(const SettingsMap& applied, const SettingsMap& wanted) {
    std::string roles;
    std::string others;
    for (const auto& [name, value] : applied) {
        if (is_role(name)) {
            add_reset(roles, name);
        } else if (!wanted.contains(name)) {
            add_reset(others, name);
        }
    }
    return roles + (roles.empty() || others.empty() ? "" : "; ") + others;
}

/// @return whether what is reset may be ended by a statement_timeout that is the last client's
bool has_others_timeout(const SettingsMap* applied, const SettingsMap& wanted) {
    if (applied == nullptr) {
        return true;
    }
    const auto theirs = applied->find(kStatementTimeout);
    const auto own = wanted.find(kStatementTimeout);
    return theirs != applied->end() && (own == wanted.end() || own->second != theirs->second);
}

bool has_value(const SettingsMap& applied, const SettingsMap::value_type& wanted) {
    const auto same = applied.find(wanted.first);
    return same != applied.end() && same->second == wanted.second;
}

/// Sets what is wanted and not there yet.
/// @param applied nullptr where nothing is there
/// @param has_reset whether what was there has just been reset in part; roles go with any of it
/// @return whether anything is written, which then lacks its Sync
bool write_wanted(ByteWriter& writer,
                  const SettingsMap* applied,
                  const SettingsMap& wanted,
                  bool has_reset) {
    bool is_parsed = false;
    for (const auto* const setting : in_order(wanted)) {
        const auto& [name, value] = *setting;
        if (applied != nullptr && !(is_role(name) && has_reset) && has_value(*applied, *setting)) {
            continue;
        }
        if (!is_parsed) {
            protocol::write_parse(writer, "", kSetConfig, {});
            is_parsed = true;
        }
        write_set_config(writer, name, value);
    }
    return is_parsed;
}

}  // namespace

SettingsTable::SettingsTable() : none_{std::make_shared<const SettingsMap>()} {
    table_.emplace(*none_, none_);
}

SettingsPtr SettingsTable::intern(SettingsMap settings) {
    if (const auto found = table_.find(settings); found != table_.end()) {
        if (SettingsPtr known = found->second.lock(); known != nullptr) {
            return known;
        }
        table_.erase(found);
    }
    auto fresh = std::make_shared<const SettingsMap>(settings);
    table_.emplace(std::move(settings), fresh);
    sweep();
    return fresh;
}

void SettingsTable::sweep() {
    if (table_.size() < sweep_at_) {
        return;
    }
    std::erase_if(table_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<std::size_t>(64, table_.size() * 2);
}

SettingsPtr SettingsTable::with(const SettingsPtr& base,
                                std::string_view name,
                                std::string_view value) {
    if (const auto found = base->find(name); found != base->end() && found->second == value) {
        return base;
    }
    SettingsMap changed = *base;
    changed.insert_or_assign(std::string{name}, std::string{value});
    return intern(std::move(changed));
}

SettingsPtr SettingsTable::without(const SettingsPtr& base, std::string_view name) {
    if (!base->contains(name)) {
        return base;
    }
    SettingsMap changed = *base;
    changed.erase(changed.find(name));
    return intern(std::move(changed));
}

Result<StartupWishes> read_wishes(
    const std::vector<std::pair<std::string, std::string>>& parameters) {
    StartupWishes wishes;
    for (const auto& [name, value] : parameters) {
        if (name == "user") {
            wishes.user = value;
        } else if (name == "database") {
            wishes.database = value;
        } else if (name == "replication") {
            auto replication = read_replication(value);
            if (!replication) {
                return fail(replication.error());
            }
            wishes.replication = std::move(*replication);
        } else if (name == "options") {
            if (auto added = add_options(wishes, value); !added) {
                return fail(added.error());
            }
        }
    }
    // PostgreSQL sets what `options` says first, wherever it stands.
    for (const auto& [name, value] : parameters) {
        if (!protocol::is_packet_word(name)) {
            add_setting(wishes, name, value);
        }
    }
    if (wishes.database.empty()) {
        wishes.database = wishes.user;
    }
    return wishes;
}

bool is_carried_when_reported(std::string_view lower_case_name) {
    return std::find(kCarriedWhenReported.begin(), kCarriedWhenReported.end(), lower_case_name) !=
           kCarriedWhenReported.end();
}

std::string lower_case(std::string_view name) {
    std::string lower{name};
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower;
}

int write_settings_change(ByteWriter& writer,
                          const SettingsMap* applied,
                          const SettingsMap& wanted,
                          std::string_view connect_query) {
    int ready_count = 0;
    std::string resets = applied == nullptr || *applied == wanted
                             ? std::string{}
                             : reset_statement(*applied, wanted);
    if (!resets.empty() && !connect_query.empty()) {
        applied = nullptr;  // what is reset may be what connect_query has set
    }
    if (applied == nullptr) {
        resets = kResetAll;
    }
    if (!resets.empty()) {
        if (has_others_timeout(applied, wanted)) {
            resets.insert(0, kNoTimeout);
        }
        protocol::write_query(writer, resets);
        ++ready_count;
    }
    if (applied == nullptr && !connect_query.empty()) {
        protocol::write_query(writer, connect_query);
        ++ready_count;
    }
    if (write_wanted(writer, applied, wanted, !resets.empty())) {
        protocol::write_sync(writer);
        ++ready_count;
    }
    return ready_count;
}

}  // namespace weir::pool
