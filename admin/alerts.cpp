#include "admin/alerts.hpp"

#include "admin/health.hpp"
#include "admin/ledger_visit.hpp"
#include "base/check.hpp"
#include "base/log.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

namespace weir::admin {

namespace {

using conf::AlertUnit;
using conf::AlertValue;
using policies::AlertChange;
using policies::AlertReading;
using policies::AlertState;
using Json = nlohmann::ordered_json;

constexpr double kMicrosecondsPerSecond = 1e6;

std::string own_host() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? std::string{name.data()} : "";
}

/// @return as people read it
std::string shown(double value, AlertUnit unit) {
    switch (unit) {
        case AlertUnit::Share: return policies::text_of(value, policies::Unit::Ratio);
        case AlertUnit::Time: return policies::text_of(value, policies::Unit::Seconds);
        case AlertUnit::Count: break;
    }
    return std::to_string(std::llround(value));
}

/// @return as RFC 3339 writes it: "2026-01-31T12:00:00Z"
std::string time_text(std::int64_t unix_ms) {
    constexpr std::int64_t kMillisecondsPerSecond = 1000;
    const auto seconds = static_cast<std::time_t>(unix_ms / kMillisecondsPerSecond);
    std::tm parts{};
    std::array<char, 64> text{};
    if (gmtime_r(&seconds, &parts) == nullptr) {
        return {};
    }
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string text_of(const Json& json) {
    constexpr int kOneLine = -1;
    return json.dump(kOneLine, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

/// @return what is measured of a pool; empty where that is not known, or of no pool
std::optional<double> of_pool(AlertValue value, const status::Pool& pool, const PoolWork& recent) {
    const PoolValues values = measure(pool, recent);
    switch (value) {
        case AlertValue::PoolUsage: return values.usage;
        case AlertValue::PoolWait: return values.wait_s;
        case AlertValue::ErrorRate: return values.error_rate;
        case AlertValue::AverageResponse: return values.response_s;
        case AlertValue::WaitingClients: return static_cast<double>(pool.clients_waiting);
        case AlertValue::ReplicationLag:
        case AlertValue::BreakerOpen:
        case AlertValue::LedgerDropped: break;
    }
    return std::nullopt;
}

std::vector<AlertReading> read_pools(AlertValue value, const CommandInput& input) {
    std::vector<AlertReading> readings;
    for (const status::Pool& pool : input.snapshot.pools) {
        if (const auto measured = of_pool(value, pool, input.history.recent(pool))) {
            readings.push_back({title_of(pool), *measured});
        }
    }
    return readings;
}

std::vector<AlertReading> read_lags(const status::Snapshot& snapshot) {
    std::vector<AlertReading> readings;
    for (const status::Member& member : snapshot.members) {
        if (member.role == "replica" && member.lag_us >= 0) {
            readings.push_back(
                {member.name, static_cast<double>(member.lag_us) / kMicrosecondsPerSecond});
        }
    }
    return readings;
}

std::vector<AlertReading> read_breakers(const status::Snapshot& snapshot) {
    std::vector<AlertReading> readings;
    for (const status::Member& member : snapshot.members) {
        readings.push_back({member.name, member.breaker == "open" ? 1.0 : 0.0});
    }
    return readings;
}

std::uint64_t dropped_by(const ledger::LedgerStatus& ledger) {
    return ledger.dropped_samples + ledger.dropped_details + ledger.dropped_sessions +
           ledger.dropped_events + ledger.dropped_deeds + ledger.calls_refused;
}

bool is_firing(const policies::Alert& alert) {
    return alert.state() == AlertState::Firing;
}

}  // namespace

Alerts::Alerts(events::Sink* sink, std::string version)
    : sink_{sink}, version_{std::move(version)}, host_{own_host()} {}

void Alerts::on_sample(const CommandInput& input, TimePoint now) {
    configure(input.config.alerts);
    if (entries_.empty()) {
        dropped_.clear();
        return;
    }
    note_dropped(input, now);
    for (Entry& entry : entries_) {
        update(entry, input, now);
    }
}

/// The wall clock is asked once: what fired and what is resolved must say the same `since`.
void Alerts::update(Entry& entry, const CommandInput& input, TimePoint now) {
    policies::Alert& alert = entry.alert;
    const AlertChange change = alert.update(read(alert.condition().value, input), now);
    if (alert.since() != entry.since) {
        entry.since = alert.since();
        entry.since_unix_ms = unix_ms(entry.since, now);
    }
    if (change == AlertChange::Fired) {
        ++entry.fired;
        tell(entry, News::Fired);
    } else if (change == AlertChange::Resolved) {
        tell(entry, News::Resolved);
    }
}

void Alerts::configure(const std::vector<conf::AlertSettings>& wanted) {
    if (wanted == configured_) {
        return;
    }
    std::vector<Entry> kept;
    kept.reserve(wanted.size());
    for (const conf::AlertSettings& settings : wanted) {
        kept.push_back(take_or_make(settings));
    }
    for (const Entry& gone : entries_) {
        if (is_firing(gone.alert)) {
            tell(gone, News::Removed);
        }
    }
    entries_ = std::move(kept);
    configured_ = wanted;
}

/// What is pending or fires goes on where only the webhook is another one.
Alerts::Entry Alerts::take_or_make(const conf::AlertSettings& settings) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.settings.title() == settings.title() && entry.settings.when == settings.when;
    });
    if (found == entries_.end()) {
        const auto condition = conf::parse_alert_condition(settings.when);
        WEIR_CHECK(condition.value.has_value());  // it was checked when it was loaded
        return {settings, policies::Alert{*condition.value}};
    }
    Entry entry = std::move(*found);
    entries_.erase(found);
    if (entry.settings.webhook != settings.webhook) {
        entry.outcome = std::make_shared<WebhookOutcome>();
    }
    entry.settings = settings;
    return entry;
}

void Alerts::note_dropped(const CommandInput& input, TimePoint now) {
    dropped_.emplace_back(now, input.ledger == nullptr ? 0 : dropped_by(input.ledger->status()));
    while (dropped_.size() > 1 && now - dropped_[1].first >= kDroppedWithin) {
        dropped_.pop_front();
    }
}

std::vector<AlertReading> Alerts::read(AlertValue value, const CommandInput& input) const {
    switch (value) {
        case AlertValue::ReplicationLag: return read_lags(input.snapshot);
        case AlertValue::BreakerOpen: return read_breakers(input.snapshot);
        case AlertValue::LedgerDropped:
            return {{"", static_cast<double>(dropped_.back().second - dropped_.front().second)}};
        default: return read_pools(value, input);
    }
}

void Alerts::tell(const Entry& entry, News news) {
    const policies::Alert& alert = entry.alert;
    const AlertUnit unit = conf::unit_of(alert.condition().value);
    const bool is_fired = news == News::Fired;
    const std::string since = time_text(entry.since_unix_ms);
    const std::string value = alert.value() ? shown(*alert.value(), unit) : "unknown";
    log::write(is_fired ? log::Level::Warn : log::Level::Info,
               is_fired ? "alert_fired" : "alert_resolved",
               {{"alert", entry.settings.title()},
                {"object", alert.object()},
                {"value", value},
                {"when", entry.settings.when},
                {"since", since}});
    Json data{{"alert", entry.settings.title()},
              {"when", entry.settings.when},
              {"state", is_fired ? "firing" : "resolved"},
              {"object", alert.object()},
              {"value", alert.value() ? Json(*alert.value()) : Json(nullptr)},
              {"threshold", alert.condition().threshold},
              {"since", since}};
    if (sink_ != nullptr) {
        sink_->note(
            events::Event{.kind = "alert",
                          .object = alert.object(),
                          .severity = is_fired ? events::Severity::Warning : events::Severity::Info,
                          .what = message(entry, news),
                          .data = text_of(data)});
    }
    if (const std::string& url = entry.settings.webhook; !url.empty()) {
        data["weir"] = {{"version", version_}, {"host", host_}};
        webhooks_.post(
            {entry.settings.title(), url, conf::webhook_origin(url), text_of(data), entry.outcome});
    }
}

/// @return one line for people
std::string Alerts::message(const Entry& entry, News news) {
    const policies::Alert& alert = entry.alert;
    const conf::AlertCondition& condition = alert.condition();
    const AlertUnit unit = conf::unit_of(condition.value);
    std::string text = entry.settings.title();
    switch (news) {
        case News::Fired: text += " fires: "; break;
        case News::Resolved: text += " is resolved: "; break;
        case News::Removed: text += " is no longer configured: "; break;
    }
    text.append(conf::name_of(condition.value)).append(" is ");
    text += alert.value() ? shown(*alert.value(), unit) : "not known";
    text += news == News::Fired ? ", " : "; it was ";
    text.append(conf::name_of(condition.comparison)).append(" ");
    return text + shown(condition.threshold, unit) + " since " + time_text(entry.since_unix_ms);
}

void Alerts::add_to(status::Snapshot& snapshot) const {
    for (const Entry& entry : entries_) {
        const policies::Alert& alert = entry.alert;
        const std::string& url = entry.settings.webhook;
        snapshot.alerts.push_back({.name = entry.settings.title(),
                                   .when = entry.settings.when,
                                   .state = std::string{policies::name_of(alert.state())},
                                   .object = alert.object(),
                                   .value = alert.value(),
                                   .threshold = alert.condition().threshold,
                                   .since_unix_ms = entry.since_unix_ms,
                                   .fired = entry.fired,
                                   .webhook = url.empty() ? "" : conf::webhook_origin(url),
                                   .webhook_outcome = entry.outcome->get()});
    }
    snapshot.webhooks = webhooks_.counts();
}

}  // namespace weir::admin
