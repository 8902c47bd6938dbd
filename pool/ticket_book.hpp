#pragma once

#include "pool/statement_run.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace weir::pool {

/// What a lease's names stand for: portals and cursors (which have one name space), or prepared
/// statements whose names pass through.
///
/// Holds a bounded number; when it is full one is forgotten, and what runs by its name is a
/// statement nobody knows.
/// @thread its backend's
class TicketBook {
public:
    static constexpr std::size_t kPortalsMax = 64;
    static constexpr std::size_t kDefinitionsMax = 1024;

    explicit TicketBook(std::size_t named_max) : named_max_{named_max} {}

    /// @param name "" is the unnamed one
    void bind(std::string_view name, StatementTicket ticket) {
        if (name.empty()) {
            unnamed_ = std::move(ticket);
            return;
        }
        if (named_.size() >= named_max_ && !named_.contains(name)) {
            named_.erase(named_.begin());
        }
        named_.insert_or_assign(std::string{name}, std::move(ticket));
    }

    /// @return nullptr: it is not known; the unnamed one always is, if only as nothing
    [[nodiscard]] const StatementTicket* find(std::string_view name) const {
        if (name.empty()) {
            return &unnamed_;
        }
        const auto found = named_.find(name);
        return found == named_.end() ? nullptr : &found->second;
    }

    void clear() {
        unnamed_ = {};
        named_.clear();
    }

private:
    std::size_t named_max_;
    StatementTicket unnamed_;
    std::map<std::string, StatementTicket, std::less<>> named_;
};

/// All that a lease's names stand for.
struct Tickets {
    TicketBook portals{TicketBook::kPortalsMax};
    TicketBook definitions{TicketBook::kDefinitionsMax};  ///< prepared statements

    void clear() {
        portals.clear();
        definitions.clear();
    }
};

}  // namespace weir::pool
