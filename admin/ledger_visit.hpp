#pragma once

#include "admin/ledger_pages.hpp"
#include "ledger/ledger.hpp"
#include "ledger/reader.hpp"
#include "protocol/error_reply.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weir::admin {

/// One look into the ledger, for one command, query or request: opened when something is first
/// asked of it. Remembers why there was no answer, so that who shows rows need not.
///
/// Thread: the one that made it; asking blocks for up to kPatience and the Reader's two seconds for
/// each question, so not on an event loop. status() never blocks.
class LedgerVisit {
public:
    /// How long the ledger has to write down what it was told last; then what is there must do.
    static constexpr std::chrono::milliseconds kPatience{500};

    /// @param ledger null = it is off; outlives this
    explicit LedgerVisit(ledger::Ledger* ledger) : ledger_{ledger} {}

    [[nodiscard]] ledger::LedgerStatus status() const;

    /// Asks the ledger, and keeps what went wrong.
    ///
    /// @return no rows on trouble
    LedgerPage ask(const std::function<LedgerPage(ledger::Reader&)>& question);

    /// @return why something that was asked has no answer: for the one who asked
    [[nodiscard]] std::optional<protocol::ErrorFields> error() const;
    /// @return that answers may be older than they should be, and why
    [[nodiscard]] std::optional<protocol::ErrorFields> warning() const;

    /// @return why nothing could be asked; "" = it could
    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    [[nodiscard]] bool open();

    ledger::Ledger* ledger_;
    std::unique_ptr<ledger::Reader> reader_;
    std::string problem_;
    std::string staleness_;
};

}  // namespace weir::admin
