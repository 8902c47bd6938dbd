#pragma once

#include "ledger/ledger.hpp"
#include "maintenance/healer.hpp"
#include "proxy/partition_healing.hpp"

namespace weir::proxy {

/// Joins clients that miss a partition with maintenance, which makes it. Part of the main program.
class Healing final : public PartitionHealing {
public:
    /// @param ledger null = off
    Healing(maintenance::Healer::ConfigOf config_of, ledger::Ledger* ledger);

    void heal(const pool::MissingPartition& missing, std::function<void()> done) override;

    /// Nobody is told anything from now on.
    void stop() { healer_.stop(); }

private:
    maintenance::Healer healer_;
};

}  // namespace weir::proxy
