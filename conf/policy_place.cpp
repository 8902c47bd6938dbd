#include "conf/policy_place.hpp"

#include "base/check.hpp"
#include "conf/schema.hpp"
#include "conf/value.hpp"

namespace weir::conf {

std::string policy_place(const Config& config,
                         std::string_view database,
                         std::string_view user,
                         std::string_view key) {
    const Setting* setting = find_setting(Section::Policy, key);
    WEIR_CHECK(setting != nullptr);
    const auto is_written = [setting](const PolicyOverrides& written) {
        return setting->override_field.read(&written).has_value();
    };
    const UserSettings* its_user = config.find_user(user);
    if (its_user != nullptr && is_written(its_user->policy)) {
        return join_key("user", its_user->name) + ".policy";
    }
    const DatabaseSettings* its_database = config.find_database(database);
    if (its_database != nullptr && is_written(its_database->policy)) {
        return join_key("database", its_database->name) + ".policy";
    }
    const bool is_default =
        setting->field.read(&config.policy) == parse_value(*setting, setting->default_text).value;
    return is_default ? "default" : "policy";
}

}  // namespace weir::conf
