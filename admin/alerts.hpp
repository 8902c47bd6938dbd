#pragma once

#include "admin/commands.hpp"
#include "admin/webhooks.hpp"
#include "base/clock.hpp"
#include "base/events.hpp"
#include "base/status.hpp"
#include "conf/alert_settings.hpp"
#include "policies/alert.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::admin {

/// The [[alert]]s of the configuration: looks at every sample, and tells the log, the ledger and
/// the webhooks when one fires and when it is resolved.
///
/// @thread the one that samples
class Alerts {
public:
    /// How long what the ledger has dropped counts.
    static constexpr std::chrono::seconds kDroppedWithin{60};

    /// @param sink null = no ledger; outlives this
    /// @param version Weir's
    Alerts(events::Sink* sink, std::string version);

    /// To be called with every sample, after the history was. An alert of another name or condition
    /// than before begins anew; where one that fires is no longer configured it is resolved.
    void on_sample(const CommandInput& input, TimePoint now);

    /// Adds how the alerts and the webhooks do.
    void add_to(status::Snapshot& snapshot) const;

private:
    struct Entry {
        conf::AlertSettings settings;
        policies::Alert alert;
        std::uint64_t fired = 0;
        TimePoint since{};  ///< alert.since(), and the same by the wall clock
        std::int64_t since_unix_ms = 0;
        std::shared_ptr<WebhookOutcome> outcome = std::make_shared<WebhookOutcome>();
    };

    /// Why an alert is told.
    enum class News : std::uint8_t { Fired, Resolved, Removed };

    void configure(const std::vector<conf::AlertSettings>& wanted);
    [[nodiscard]] Entry take_or_make(const conf::AlertSettings& settings);
    void note_dropped(const CommandInput& input, TimePoint now);
    [[nodiscard]] std::vector<policies::AlertReading> read(conf::AlertValue value,
                                                           const CommandInput& input) const;
    void update(Entry& entry, const CommandInput& input, TimePoint now);
    void tell(const Entry& entry, News news);
    [[nodiscard]] static std::string message(const Entry& entry, News news);

    events::Sink* sink_;
    const std::string version_;
    const std::string host_;
    std::vector<conf::AlertSettings> configured_;
    std::vector<Entry> entries_;                               // in the order of the configuration
    std::deque<std::pair<TimePoint, std::uint64_t>> dropped_;  // totals, oldest first
    Webhooks webhooks_;
};

}  // namespace weir::admin
