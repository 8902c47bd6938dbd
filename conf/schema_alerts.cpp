// The part of the table of settings about alerts: who is told what.

#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::array kSettings{
    Setting{.section = Section::Alert,
            .key = "name",
            .effect = Effect::Reload,
            .doc = "What the alert is called in the log, the metrics, SHOW ALERTS and to the "
                   "webhook; empty: what `when` says. No two alerts may be called the same.",
            .field = field<&AlertSettings::name>()},
    Setting{.section = Section::Alert,
            .key = "when",
            .effect = Effect::Reload,
            .doc = "NAME OP VALUE, or NAME OP VALUE for DURATION: the value must be so for that "
                   "long without a break. OP is >, >=, < or <=. Of each pool: pool_usage and "
                   "error_rate (0 to 1), pool_wait and average_response (a duration), as [health] "
                   "has them, and waiting_clients; of each member of a cluster: replication_lag (a "
                   "duration) and breaker_open (1 while its circuit breaker is open, else 0); of "
                   "Weir: ledger_dropped, what the ledger could not keep in the last minute. "
                   "Looked at every second.",
            .field = field<&AlertSettings::when>(),
            .sample = R"("pool_usage > 0.8 for 1m")"},
    Setting{.section = Section::Alert,
            .key = "webhook",
            .effect = Effect::Reload,
            .secrecy = Secrecy::Secret,
            .doc = "An http:// or https:// URL that is sent JSON by POST when the alert begins and "
                   "when it ends (docs/admin.md); empty: none. Redirects are not followed, and a "
                   "proxy of the environment is not used.",
            .field = field<&AlertSettings::webhook>()},
};

}  // namespace

std::span<const Setting> alert_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
