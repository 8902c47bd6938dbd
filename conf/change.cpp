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

template <class Sections>
Spot find_in_named(Sections& sections, const SectionInfo& info, std::string_view key) {
    for (auto& named : sections) {
        auto& section = named.second;
        const auto rest = behind(key, join_key(info.name, named.first));
        if (!rest) {
            continue;
        }
        if constexpr (requires { section.pool; }) {
            if (const auto pool_key = behind(*rest, "pool")) {
                return {find_setting(Section::Pool, *pool_key), &section.pool, true};
            }
        }
        if constexpr (requires { section.policy; }) {
            if (const auto policy_key = behind(*rest, "policy")) {
                return {find_setting(Section::Policy, *policy_key), &section.policy, true};
            }
        }
        return {find_setting(info.section, *rest), &section};
    }
    return {};
}

Spot find(Config& config, std::string_view key) {
    for (const SectionInfo& info : sections()) {
        Spot spot;
        if (info.section == Section::Cluster) {
            spot = find_in_named(config.clusters, info, key);
        } else if (info.section == Section::Database) {
            spot = find_in_named(config.databases, info, key);
        } else if (info.section == Section::User) {
            spot = find_in_named(config.users, info, key);
        } else {
            const auto rest =
                info.name.empty() ? std::optional{key} : behind(key, std::string{info.name});
            if (rest) {
                spot = {find_setting(info.section, *rest), section_object(config, info.section)};
            }
        }
        if (spot.setting != nullptr) {
            return spot;
        }
    }
    return {};
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
    if (std::find(kNeedsReload.begin(), kNeedsReload.end(), own_key(key)) != kNeedsReload.end() ||
        (is_secret && our_value.starts_with("file:"))) {
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
