#pragma once

#include "pool/statement_run.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir::pool {

/// What names of a server's session stand for. Holds a bounded number; when it is full one is
/// forgotten.
/// @thread its backend's
template <class T>
class NameBook {
public:
    /// PostgreSQL looks at no more of a name (NAMEDATALEN - 1).
    static constexpr std::size_t kNameBytesMax = 63;

    explicit NameBook(std::size_t named_max) : named_max_{named_max} {}

    /// @param name "" is the unnamed one
    void bind(std::string_view name, T value) {
        if (name.empty()) {
            unnamed_ = std::move(value);
            return;
        }
        const std::string_view key = name.substr(0, kNameBytesMax);
        if (named_.size() >= named_max_ && !named_.contains(key)) {
            named_.erase(named_.begin());
        }
        named_.insert_or_assign(std::string{key}, std::move(value));
    }

    /// @return nullptr: it is not known; the unnamed one always is, if only as nothing
    [[nodiscard]] T* find(std::string_view name) {
        if (name.empty()) {
            return &unnamed_;
        }
        const auto found = named_.find(name.substr(0, kNameBytesMax));
        return found == named_.end() ? nullptr : &found->second;
    }

    void forget(std::string_view name) {
        if (name.empty()) {
            unnamed_ = {};
        } else if (const auto found = named_.find(name.substr(0, kNameBytesMax));
                   found != named_.end()) {
            named_.erase(found);
        }
    }

    void forget_named() { named_.clear(); }

    template <class Predicate>
    void forget_named_if(Predicate&& is_over) {
        std::erase_if(named_, [&](const auto& entry) { return is_over(entry.second); });
    }

    /// @return how many names there are
    [[nodiscard]] std::size_t size() const { return named_.size(); }

    void clear() {
        unnamed_ = {};
        named_.clear();
    }

private:
    std::size_t named_max_;
    T unnamed_{};
    std::map<std::string, T, std::less<>> named_;
};

/// A prepared statement whose name passes through.
struct Definition {
    StatementTicket ticket;
    std::string text;              ///< empty: it is not kept
    std::uint64_t decided_at = 0;  ///< of the rules that the ticket is by
};

/// All that a lease's names stand for.
struct Tickets {
    static constexpr std::size_t kPortalsMax = 64;
    static constexpr std::size_t kDefinitionsMax = 1024;

    NameBook<StatementTicket> portals{kPortalsMax};  ///< and cursors: they share their names
    NameBook<Definition> definitions{kDefinitionsMax};
    /// What all portals have returned that are not known any more: they have one limit together.
    std::shared_ptr<ResultSoFar> forgotten;
    /// Parses noted ByClient that are on their way, where the holder keeps no list of its own.
    std::list<StatementTicket> parsing;

    /// Portals and cursors are gone, but for those WITH HOLD.
    void end_transaction() {
        portals.forget_named_if(
            [](const StatementTicket& ticket) { return !ticket.outlives_transaction; });
        forgotten.reset();
    }

    void clear() {
        portals.clear();
        definitions.clear();
        forgotten.reset();
        parsing.clear();
    }
};

}  // namespace weir::pool
