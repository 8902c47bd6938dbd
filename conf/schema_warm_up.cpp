// The part of the table of settings about statements that are run at the start.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::array kSettings{
    Setting{.section = Section::WarmUp,
            .key = "database",
            .effect = Effect::Reload,
            .doc = "The database the statements are for, as clients call it.",
            .field = field<&WarmUpSettings::database>(),
            .sample = R"("shop")"},
    Setting{.section = Section::WarmUp,
            .key = "user",
            .effect = Effect::Reload,
            .doc = "The user whose reads these are: a result is given to the same user only. Weir "
                   "logs in to PostgreSQL as it does for that user's clients, and needs a password "
                   "of its own for that.",
            .field = field<&WarmUpSettings::user>(),
            .sample = R"("app")"},
    Setting{.section = Section::WarmUp,
            .key = "statements",
            .kind = Kind::Statements,
            .effect = Effect::Reload,
            .doc = "Each is sent once, to the letter, as a simple query. How long its result is "
                   "kept is decided as for any other statement.",
            .field = field<&WarmUpSettings::statements>(),
            .sample = R"(["SELECT * FROM prices"])"},
    Setting{.section = Section::WarmUp,
            .key = "parameters",
            .kind = Kind::Table,
            .effect = Effect::Reload,
            .doc = "What that user's clients send when they log in, such as "
                   "{ application_name = \"shop\", client_encoding = \"UTF8\" }: settings are part "
                   "of what a result is kept for.",
            .field = field<&WarmUpSettings::parameters>()},
};

}  // namespace

std::span<const Setting> warm_up_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
