#include "conf/change.hpp"

#include "conf/draft.hpp"
#include "conf/pgbouncer_names.hpp"
#include "conf/schema.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace weir::conf {

namespace {

/// What only reading the file anew can change: presets for others, a file to read.
constexpr std::array<std::string_view, 4> kNeedsReload{
    "profile", "auth.users_file", "auth.hba_file", "auth.ident_file"};

/// A key of one configuration, and the struct it is in.
struct Spot {
    const Setting* setting = nullptr;
    void* object = nullptr;
    bool is_override = false;

    [[nodiscard]] const Field& field() const {
        return is_override ? setting->override_field : setting->field;
    }
};

/// @return what is left of `key` behind "path."
std::optional<std::string_view> behind(std::string_view key, const std::string& path) {
    if (key.size() <= path.size() || !key.starts_with(path) || key[path.size()] != '.') {
        return std::nullopt;
    }
    return key.substr(path.size() + 1);
}

/// Looks for a key in a section of overrides.
Spot find_below(std::string_view key, std::string_view path, Section section, void* overrides) {
    const auto rest = behind(key, std::string{path});
    return rest ? Spot{find_setting(section, *rest), overrides, true} : Spot{};
}

/// @return the first of them that was found
template <class... Spots>
Spot first_found(const Spots&... spots) {
    Spot found;
    ((found = found.setting == nullptr ? spots : found), ...);
    return found;
}

template <class Sections>
Spot find_in_named(Sections& sections, const SectionInfo& info, std::string_view key) {
    for (auto& entry : sections) {
        auto& section = entry.second;
        const auto rest = behind(key, join_key(info.name, entry.first));
        if (!rest) {
            continue;
        }
        const Spot own{find_setting(info.section, *rest), &section};
        if constexpr (requires { section.read_pool; }) {
            PolicyOverrides& policy = section.policy;
            return first_found(own,
                               find_below(*rest, "pool", Section::Pool, &section.pool),
                               find_below(*rest, kReadPoolPath, Section::Pool, &section.read_pool),
                               find_below(*rest, "policy", Section::Policy, &policy),
                               find_below(*rest, "policy.retry", Section::Retry, &policy.retry));
        }
        return own;
    }
    return {};
}

Spot find_in_rules(std::vector<RuleSettings>& rules, std::string_view key) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const std::string path = rule_path(i);
        if (const auto rest = behind(key, path + ".match")) {
            return {find_setting(Section::RuleMatch, *rest), &rules[i].match};
        }
        if (const auto rest = behind(key, path + ".set")) {
            return {find_setting(Section::RuleSet, *rest), &rules[i].set};
        }
    }
    return {};
}

template <class Settings>
Spot find_in_list(std::vector<Settings>& list, Section section, std::string_view key) {
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (const auto rest = behind(key, listed_path(section, i))) {
            return {find_setting(section, *rest), &list[i]};
        }
    }
    return {};
}

Spot find_in_single(Config& config, const SectionInfo& info, std::string_view key) {
    if (info.form != Form::Single) {
        return {};
    }
    const auto rest = info.name.empty() ? std::optional{key} : behind(key, std::string{info.name});
    return rest ? Spot{find_setting(info.section, *rest), section_object(config, info.section)}
                : Spot{};
}

Spot find(Config& config, std::string_view key) {
    Spot spot = first_found(find_below(key, kReadPoolPath, Section::Pool, &config.read_pool),
                            find_in_rules(config.rules, key),
                            find_in_list(config.alerts, Section::Alert, key),
                            find_in_list(config.warm_ups, Section::WarmUp, key),
                            find_in_list(config.partitions, Section::Partition, key),
                            find_in_list(config.aggregates, Section::Aggregate, key),
                            find_in_list(config.materialized_views, Section::MaterializedView, key),
                            find_in_list(config.tasks, Section::Task, key));
    for (const SectionInfo& info : sections()) {
        if (spot.setting != nullptr) {
            break;
        }
        switch (info.section) {
            case Section::Cluster: spot = find_in_named(config.clusters, info, key); break;
            case Section::Database: spot = find_in_named(config.databases, info, key); break;
            case Section::User: spot = find_in_named(config.users, info, key); break;
            default: spot = find_in_single(config, info, key); break;
        }
    }
    return spot;
}

Change refused(SqlState sqlstate, std::string problem) {
    return {nullptr, sqlstate, std::move(problem)};
}

/// @return our own key for it
std::string_view own_key(std::string_view key) {
    const PgbouncerName* name = find_pgbouncer_name(key);
    return name == nullptr ? key : name->key;
}

}  // namespace

bool is_setting(const Config& config, std::string_view key) {
    Config copy = config;
    return find(copy, own_key(key)).setting != nullptr;
}

bool is_secret(const Config& config, std::string_view key) {
    Config copy = config;
    const Setting* setting = find(copy, own_key(key)).setting;
    return setting == nullptr || setting->secrecy == Secrecy::Secret;
}

Change change(const Config& config, std::string_view key, std::string_view value) {
    const PgbouncerName* theirs = find_pgbouncer_name(key);
    const std::string our_value =
        theirs == nullptr ? std::string{value} : from_pgbouncer(*theirs, value);
    const std::string name{key};
    const Environment nothing;
    Draft draft{"SET", nothing};
    draft.config = config;
    const Spot spot = find(draft.config, own_key(key));
    if (spot.setting == nullptr) {
        return refused(sqlstate::kUndefinedObject,
                       "unrecognized configuration parameter \"" + name + "\"");
    }
    if (spot.setting->effect == Effect::Restart) {
        return refused(sqlstate::kCantChangeRuntimeParam,
                       "parameter \"" + name + "\" cannot be changed without restarting Weir");
    }
    const bool is_secret = spot.setting->secrecy == Secrecy::Secret;
    // Of a table no text says where a name or a value ends.
    if (std::find(kNeedsReload.begin(), kNeedsReload.end(), own_key(key)) != kNeedsReload.end() ||
        spot.setting->kind == Kind::Table || (is_secret && our_value.starts_with("file:"))) {
        return refused(
            sqlstate::kCantChangeRuntimeParam,
            "parameter \"" + name + "\" is changed in the configuration file, followed by RELOAD");
    }
    auto parsed = parse_value(*spot.setting, our_value);
    if (!parsed.value) {
        return refused(sqlstate::kInvalidParameterValue,
                       "invalid value for parameter \"" + name +
                           "\": " + (is_secret ? "it" : toml_string(value)) + " " + parsed.problem);
    }
    spot.field().put(spot.object, *parsed.value);
    for (auto& [user_name, user] : draft.config.users) {
        user.has_secret = !user.secret.empty();
    }
    check_meaning(draft);
    if (!draft.problems.empty()) {
        return refused(sqlstate::kInvalidParameterValue,
                       draft.problems.front().key + ": " + draft.problems.front().message);
    }
    return {std::make_shared<const Config>(std::move(draft.config)), {}, {}};
}

}  // namespace weir::conf
