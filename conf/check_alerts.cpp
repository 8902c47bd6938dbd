#include "conf/draft.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <cstddef>

/// Whether an alert's condition can be looked at, and whether its webhook can be reached at all.
namespace weir::conf {

namespace {

/// In bytes: it is a label of metrics.
constexpr std::size_t kMaxName = 128;

void check_condition(Draft& draft, const std::string& path, const AlertSettings& alert) {
    const std::string key = path + ".when";
    if (draft.broken.count(key) != 0) {
        return;
    }
    if (const auto condition = parse_alert_condition(alert.when); !condition.value) {
        draft.complain(alert.when.empty() ? path : key,
                       alert.when.empty() ? "has no when; accepted: when = \"pool_usage > 0.8 "
                                            "for 1m\" and the like"
                                          : toml_string(alert.when) + " " + condition.problem);
    }
}

void check_webhook(Draft& draft, const std::string& path, const AlertSettings& alert) {
    const std::string key = path + ".webhook";
    if (alert.webhook.empty() || draft.broken.count(key) != 0) {
        return;
    }
    if (const std::string problem = problem_of_webhook(alert.webhook); !problem.empty()) {
        draft.complain(key, "the value " + problem);
    }
}

void check_name(Draft& draft, std::size_t index) {
    const auto& alerts = draft.config.alerts;
    const AlertSettings& alert = alerts[index];
    const std::string path = alert_path(index);
    if (alert.name.size() > kMaxName) {
        draft.complain(path + ".name",
                       "is too long; accepted: at most " + std::to_string(kMaxName) + " bytes");
        return;
    }
    const auto end = alerts.begin() + static_cast<std::ptrdiff_t>(index);
    const bool is_taken = std::any_of(alerts.begin(), end, [&](const AlertSettings& before) {
        return before.title() == alert.title();
    });
    if (is_taken && !alert.title().empty()) {
        draft.complain(path,
                       "is called " + toml_string(alert.title()) +
                           ", as an earlier one is; accepted: a name of its own");
    }
}

}  // namespace

void check_alerts(Draft& draft) {
    for (std::size_t i = 0; i < draft.config.alerts.size(); ++i) {
        const AlertSettings& alert = draft.config.alerts[i];
        check_condition(draft, alert_path(i), alert);
        check_webhook(draft, alert_path(i), alert);
        check_name(draft, i);
    }
}

}  // namespace weir::conf
