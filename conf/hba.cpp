#include "conf/hba.hpp"

#include <algorithm>

namespace weir::conf {

namespace {

constexpr std::string_view kFirstGroup = "\\1";

bool allows(const IdentRule& rule, std::string_view system, std::string_view user) {
    const auto group = rule.system.capture(system);
    if (!group) {
        return false;
    }
    if (rule.is_for_all_users) {
        return true;
    }
    const std::string& wanted = rule.user.text();
    const std::size_t at = wanted.find(kFirstGroup);
    if (!rule.system.is_regex() || rule.user.is_regex() || at == std::string::npos) {
        return rule.user.matches(user);
    }
    std::string name = wanted;
    name.replace(at, kFirstGroup.size(), *group);
    return name == user;
}

}  // namespace

std::string_view name_of(HbaMethod method) {
    switch (method) {
        case HbaMethod::Trust: return "trust";
        case HbaMethod::Reject: return "reject";
        case HbaMethod::Password: return "password";
        case HbaMethod::Md5: return "md5";
        case HbaMethod::ScramSha256: return "scram-sha-256";
        case HbaMethod::Cert: return "cert";
        case HbaMethod::Peer: return "peer";
    }
    return "";
}

bool may_be(const std::vector<IdentRule>& rules,
            std::string_view map,
            std::string_view system,
            std::string_view user) {
    if (system.empty()) {
        return false;
    }
    if (map.empty()) {
        return system == user;
    }
    return std::any_of(rules.begin(), rules.end(), [&](const IdentRule& rule) {
        return rule.map == map && allows(rule, system, user);
    });
}

}  // namespace weir::conf
