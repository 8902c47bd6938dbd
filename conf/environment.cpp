#include "conf/draft.hpp"
#include "conf/load.hpp"
#include "conf/percent.hpp"
#include "conf/suggest.hpp"
#include "conf/value.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace weir::conf {

namespace {

constexpr std::string_view kPrefix = "WEIR_";
/// The switch by which the tests rewrite what is generated, and where the process finds its file:
/// no settings.
constexpr std::array<std::string_view, 2> kNoSettings{"WEIR_UPDATE_GOLDEN", "WEIR_CONFIG"};

/// Variables other programs set for themselves and the contract lets Weir understand.
struct Alias {
    std::string_view variable;
    Section section;
    std::string_view key;
    std::string_view path = {};  ///< "" = the section's own
};

constexpr std::array kAliases{Alias{"DB_POOL_MIN", Section::Pool, "min"},
                              Alias{"DB_POOL_MAX", Section::Pool, "max"},
                              Alias{"DB_READ_POOL_MIN", Section::Pool, "min", kReadPoolPath},
                              Alias{"DB_READ_POOL_MAX", Section::Pool, "max", kReadPoolPath},
                              Alias{"DB_IDLE_TIMEOUT", Section::Pool, "idle_timeout"},
                              Alias{"SLOW_QUERY_THRESHOLD", Section::Policy, "slow_query"},
                              Alias{"REDIS_URL", Section::Cache, "redis"},
                              Alias{"CACHE_KEY_PREFIX", Section::Cache, "redis_key_prefix"},
                              Alias{"LOG_LEVEL", Section::Log, "level"}};

std::string upper(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return result;
}

std::string lower(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

std::string variable_of(const Setting& setting, std::string_view path) {
    std::string variable =
        std::string{kPrefix} + (path.empty() ? "" : upper(path) + "_") + upper(setting.key);
    std::replace(variable.begin(), variable.end(), '.', '_');  // [tls.client]
    return variable;
}

std::string path_of(const Setting& setting) {
    return std::string{section_info(setting.section).name};
}

/// Node's word for the profile. Other programs give it other values, so those are no mistake of
/// Weir's user.
void apply_node_env(Draft& draft) {
    const std::string* value = draft.environment.find("NODE_ENV");
    if (value == nullptr || draft.environment.find("WEIR_PROFILE") != nullptr) {
        return;
    }
    const auto known = profile_names();
    if (std::find(known.begin(), known.end(), *value) == known.end()) {
        draft.notes.emplace_back(
            "NODE_ENV is no profile of Weir's and has no effect; accepted: development, test, "
            "staging, production");
        return;
    }
    draft.put_text(*find_setting(Section::Top, "profile"), {}, "NODE_ENV", *value);
}

void apply_aliases(Draft& draft) {
    for (const Alias& alias : kAliases) {
        const std::string* value = draft.environment.find(alias.variable);
        if (value == nullptr) {
            continue;
        }
        const Setting& setting = *find_setting(alias.section, alias.key);
        std::string text = setting.kind == Kind::Choice ? lower(*value) : *value;
        if (setting.kind == Kind::Duration && parse_digits(text)) {
            text += "ms";
        }
        draft.put_text(setting,
                       alias.path.empty() ? path_of(setting) : std::string{alias.path},
                       std::string{alias.variable},
                       text);
    }
}

void note_unknown(Draft& draft,
                  const std::string& variable,
                  const std::vector<std::string>& known) {
    const std::vector<std::string_view> names{known.begin(), known.end()};
    const std::string_view meant = nearest(variable, names);
    draft.notes.push_back(
        variable + " is no setting and has no effect" +
        (meant.empty() ? std::string{} : "; did you mean " + std::string{meant} + "?"));
}

/// @return the name of the variable, after applying it where it is set
std::string apply_setting(Draft& draft, const Setting& setting, const std::string& path) {
    std::string variable = variable_of(setting, path);
    if (const std::string* value = draft.environment.find(variable)) {
        draft.put_text(setting, path, variable, *value);
    }
    return variable;
}

void apply_settings(Draft& draft) {
    std::vector<std::string> known;
    for (const Setting& setting : settings()) {
        if (section_info(setting.section).form == Form::Single) {
            known.push_back(apply_setting(draft, setting, path_of(setting)));
        }
        if (setting.section == Section::Pool) {
            known.push_back(apply_setting(draft, setting, std::string{kReadPoolPath}));
        }
    }
    for (const auto& [variable, value] : draft.environment.variables) {
        const bool is_ours = variable.rfind(kPrefix, 0) == 0 && !value.empty();
        const bool is_known =
            std::find(known.begin(), known.end(), variable) != known.end() ||
            std::find(kNoSettings.begin(), kNoSettings.end(), variable) != kNoSettings.end() ||
            draft.variables.count(variable) != 0;
        if (is_ours && !is_known) {
            note_unknown(draft, variable, known);
        }
    }
}

/// The parts of what REDIS_URL says as a whole.
void apply_redis_parts(Draft& draft) {
    const std::string* host = draft.environment.find("REDIS_HOST");
    const std::string* port = draft.environment.find("REDIS_PORT");
    const std::string* password = draft.environment.find("REDIS_PASSWORD");
    if (draft.environment.find("REDIS_URL") != nullptr || (host == nullptr && port == nullptr)) {
        return;
    }
    std::string url = "redis://";
    if (password != nullptr) {
        url.append(1, ':').append(percent_encoded(*password)).append(1, '@');
    }
    const std::string_view name = host != nullptr ? std::string_view{*host} : "127.0.0.1";
    const bool is_ipv6 = name.find(':') != std::string_view::npos && name.front() != '[';
    url.append(is_ipv6 ? "[" : "").append(name).append(is_ipv6 ? "]" : "");
    if (port != nullptr) {
        url.append(1, ':').append(*port);
    }
    draft.put_text(*find_setting(Section::Cache, "redis"),
                   "cache",
                   host != nullptr ? "REDIS_HOST" : "REDIS_PORT",
                   url);
}

}  // namespace

Environment Environment::of_process() {
    Environment environment;
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos) {
            environment.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return environment;
}

const std::string* Environment::find(std::string_view name) const {
    const auto found = variables.find(name);
    return found == variables.end() || found->second.empty() ? nullptr : &found->second;
}

void apply_environment(Draft& draft) {
    apply_node_env(draft);
    apply_redis_parts(draft);
    apply_aliases(draft);
    apply_settings(draft);
}

}  // namespace weir::conf
