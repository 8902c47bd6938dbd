#include "conf/schema.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::conf {

namespace {

struct Preset {
    std::string_view min;
    std::string_view max;
    std::string_view idle_timeout;
};

/// In the order of Profile.
constexpr std::array<Preset, 5> kPresets{Preset{"1", "5", "10s"},
                                         Preset{"1", "3", "5s"},
                                         Preset{"5", "20", "60s"},
                                         Preset{"10", "30", "5m"},
                                         Preset{"20", "50", "10m"}};

bool is_bare_key(std::string_view key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
}

}  // namespace

const SectionInfo& section_info(Section section) {
    const auto found =
        std::find_if(sections().begin(), sections().end(), [&](const SectionInfo& info) {
            return info.section == section;
        });
    WEIR_CHECK(found != sections().end());
    return *found;
}

const Setting* find_setting(Section section, std::string_view key) {
    const auto found =
        std::find_if(settings().begin(), settings().end(), [&](const Setting& setting) {
            return setting.section == section && setting.key == key;
        });
    return found == settings().end() ? nullptr : &*found;
}

bool is_preset_by_profile(const Setting& setting) {
    return setting.section == Section::Pool &&
           (setting.key == "min" || setting.key == "max" || setting.key == "idle_timeout");
}

std::string_view default_text(const Setting& setting, Profile profile) {
    if (!is_preset_by_profile(setting)) {
        return setting.default_text;
    }
    const Preset& preset = kPresets.at(static_cast<std::size_t>(profile));
    if (setting.key == "min") {
        return preset.min;
    }
    return setting.key == "max" ? preset.max : preset.idle_timeout;
}

const void* section_object(const Config& config, Section section) {
    switch (section) {
        case Section::Top: return &config;
        case Section::Listen: return &config.listen;
        case Section::TlsClient: return &config.tls_client;
        case Section::TlsServer: return &config.tls_server;
        case Section::Auth: return &config.auth;
        case Section::Pool: return &config.pool;
        case Section::Limits: return &config.limits;
        case Section::Policy: return &config.policy;
        case Section::Retry: return &config.policy.retry;
        case Section::Breaker: return &config.breaker;
        case Section::Cache: return &config.cache;
        case Section::Ledger: return &config.ledger;
        case Section::Log: return &config.log;
        case Section::Http: return &config.http;
        case Section::Admin: return &config.admin;
        case Section::Health: return &config.health;
        case Section::Maintenance: return &config.maintenance;
        case Section::Cluster:
        case Section::Database:
        case Section::User:
        case Section::Rule:
        case Section::RuleMatch:
        case Section::RuleSet:
        case Section::WarmUp:
        case Section::Alert:
        case Section::Partition:
        case Section::Aggregate:
        case Section::MaterializedView:
        case Section::Task: break;
    }
    WEIR_CHECK(section_info(section).form == Form::Single);
    return nullptr;
}

void* section_object(Config& config, Section section) {
    return const_cast<void*>(section_object(std::as_const(config), section));
}

std::string listed_path(Section section, std::size_t index) {
    return std::string{section_info(section).name} + "." + std::to_string(index + 1);
}

std::string rule_path(std::size_t index) {
    return listed_path(Section::Rule, index);
}

std::string alert_path(std::size_t index) {
    return listed_path(Section::Alert, index);
}

std::string warm_up_path(std::size_t index) {
    return listed_path(Section::WarmUp, index);
}

std::string join_key(std::string_view path, std::string_view key) {
    std::string joined{path};
    if (!joined.empty()) {
        joined += '.';
    }
    if (is_bare_key(key)) {
        return joined.append(key);
    }
    joined += '"';
    for (const char c : key) {
        if (c == '"' || c == '\\') {
            joined += '\\';
        }
        joined += c;
    }
    return joined += '"';
}

}  // namespace weir::conf
