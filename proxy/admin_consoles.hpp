#pragma once

#include "admin/console.hpp"
#include "admin/stats_history.hpp"
#include "proxy/console.hpp"
#include "proxy/server.hpp"

#include <memory>
#include <string>

namespace weir::proxy {

/// Joins the two that do not know each other: the proxy's clients and the admin database. Part of
/// the main program.
///
/// Outlives the server's workers. Thread: open() is called on any worker's.
class AdminConsoles final : public ConsoleFactory {
public:
    /// @param ledger null = off; outlives this
    AdminConsoles(Server& server,
                  admin::StatsHistory& history,
                  std::string version,
                  ledger::Ledger* ledger);

    [[nodiscard]] std::unique_ptr<Console> open(ConsoleClient client) override;

private:
    Server& server_;
    admin::ConsoleContext context_;
};

}  // namespace weir::proxy
