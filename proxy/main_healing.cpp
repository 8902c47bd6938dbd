#include "proxy/main_healing.hpp"

#include "base/events.hpp"
#include "maintenance/partition_create.hpp"

#include <utility>

namespace weir::proxy {

namespace {

maintenance::Healer::Told tell(ledger::Ledger* ledger) {
    if (ledger == nullptr) {
        return {};
    }
    return [ledger](bool is_made, const std::string& table, const std::string& text) {
        ledger->note(events::Event{
            .kind = "partition",
            .object = table,
            .severity = is_made ? events::Severity::Info : events::Severity::Warning,
            .what = (is_made ? "made for a row that had none: " : "not made for a row: ") + text,
            .data = {}});
    };
}

}  // namespace

Healing::Healing(maintenance::Healer::ConfigOf config_of, ledger::Ledger* ledger)
    : healer_{std::move(config_of), &maintenance::make_partition_for, tell(ledger)} {}

void Healing::heal(const pool::MissingPartition& missing, std::function<void()> done) {
    healer_.heal({missing.schema, missing.table, missing.key}, std::move(done));
}

}  // namespace weir::proxy
