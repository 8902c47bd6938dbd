#pragma once

#include "base/clock.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::pool {

/// What running something may do to the session that runs it.
class Traits {
public:
    enum Trait : std::uint8_t {
        LeavesState = 1,     ///< something, which a look at the session shows
        Lasts = 2,           ///< something that ends with the server process alone
        SetsUnnamed = 4,     ///< a setting whose name is not known
        LeavesUnlisted = 8,  ///< something that no look shows, and that can be taken away
        Writes = 16,         ///< nothing by itself, but triggers run
    };

    constexpr Traits() = default;

    // NOLINTNEXTLINE(google-explicit-constructor): one of them is a set of one
    constexpr Traits(Trait trait) : bits_{trait} {}

    constexpr Traits& operator|=(Traits other) {
        bits_ = static_cast<std::uint8_t>(bits_ | other.bits_);
        return *this;
    }

    [[nodiscard]] constexpr Traits operator|(Traits other) const {
        Traits both = *this;
        return both |= other;
    }

    [[nodiscard]] constexpr bool has(Trait trait) const { return (bits_ & trait) != 0; }

    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }

    /// @return without Writes
    [[nodiscard]] constexpr Traits on_session() const {
        Traits rest;
        rest.bits_ = static_cast<std::uint8_t>(bits_ & ~Writes);
        return rest;
    }

    [[nodiscard]] constexpr bool operator==(const Traits&) const = default;

private:
    std::uint8_t bits_ = 0;
};

/// A function that requests may call, by its name.
struct CallableName {
    std::string schema;
    std::string name;
    /// The worst of those with this name, as sql::volatility_of() reads it: i, s or v.
    char volatility = 'v';
};

/// What its readers have made of the rest of a catalog; they know what it is.
struct CatalogDigest {
    CatalogDigest() = default;
    CatalogDigest(const CatalogDigest&) = delete;
    CatalogDigest& operator=(const CatalogDigest&) = delete;
    CatalogDigest(CatalogDigest&&) = delete;
    CatalogDigest& operator=(CatalogDigest&&) = delete;
    virtual ~CatalogDigest() = default;
};

/// What a database's functions may leave in a session, as its catalog said at one time. Immutable.
struct FunctionKnowledge {
    std::string print;  ///< says which state of the catalog this is
    std::unordered_map<std::uint64_t, Traits> functions;  ///< by the hash of their names; those
                                                          ///< that leave something
    Traits hidden;    ///< of what views, defaults, operators and the like may run: by any request
    Traits on_write;  ///< of what triggers run
    std::vector<std::string> custom_settings;  ///< with a dot in their names, that functions set
    std::vector<CallableName> callable;        ///< all of them; empty where nobody wants to know
    std::shared_ptr<const CatalogDigest> relations;  ///< nullptr where nobody wants to know
};

using FunctionKnowledgePtr = std::shared_ptr<const FunctionKnowledge>;

/// What the process knows of one database beyond the texts of requests; shared by all workers.
///
/// It holds until functions may have been changed, by a client or, unseen, by others: at most
/// kHoldsFor. Who finds it out of date reads the catalog anew, one at a time.
/// @thread any
class DatabaseKnowledge {
public:
    static constexpr std::chrono::seconds kHoldsFor{60};
    /// It is read anew before it has to be.
    static constexpr std::chrono::seconds kRenewAfter{40};
    static constexpr std::chrono::seconds kRetryAfter{1};
    static constexpr std::size_t kCustomSettingsMax = 128;

    /// While there is one the functions may be changed at any moment.
    class Change {
    public:
        explicit Change(DatabaseKnowledge& knowledge) : knowledge_{knowledge} {
            knowledge_.changing_.fetch_add(1);
        }

        Change(const Change&) = delete;
        Change& operator=(const Change&) = delete;
        Change(Change&&) = delete;
        Change& operator=(Change&&) = delete;

        ~Change() {
            knowledge_.changes_.fetch_add(1);
            knowledge_.changing_.fetch_sub(1);
        }

    private:
        DatabaseKnowledge& knowledge_;
    };

    /// @return how often the functions may have been changed
    [[nodiscard]] std::uint32_t changes() const { return changes_.load(); }

    /// @return whether what knowledge() returns holds now
    [[nodiscard]] bool is_current(TimePoint now) const;

    /// @return whether the functions are still what they were when changes() was that
    [[nodiscard]] bool is_unchanged_since(std::uint32_t changes) const {
        return changing_.load() == 0 && changes_.load() == changes;
    }

    /// @return nullptr until the catalog has been read
    [[nodiscard]] FunctionKnowledgePtr knowledge() const;

    /// Another number each time that knowledge() becomes another.
    [[nodiscard]] std::uint64_t version() const { return version_.load(); }

    /// @return whether it is the caller's to read the catalog now: renew() or fail() must follow
    [[nodiscard]] bool claim(TimePoint now);

    /// @return whether the catalog has been read, and nobody has changed it through us since
    [[nodiscard]] bool is_unchanged() const {
        return changing_.load() == 0 && known_changes_.load() == changes_.load();
    }

    /// @return whether the caller is to go where the catalog can be read, which it would not do by
    /// itself: one at a time
    [[nodiscard]] bool takes_errand(TimePoint now);

    /// A server has left a connection, or could not be reached: it may be another one from now on,
    /// without what it had not written down. What is known of functions holds all the same.
    void note_loss() { losses_.fetch_add(1); }

    /// @return how often that was
    [[nodiscard]] std::uint32_t losses() const { return losses_.load(); }

    /// @return whether the catalog has been read since
    [[nodiscard]] bool is_of_server() const { return known_losses_.load() == losses_.load(); }

    /// @param changes when the reading began
    /// @param losses the same
    /// @param fresh nullptr: it is what it was
    void renew(FunctionKnowledgePtr fresh,
               std::uint32_t changes,
               TimePoint begun_at,
               std::uint32_t losses);
    /// The catalog could not be read.
    void fail(TimePoint now);

    /// Names with a dot that a request has mentioned: PostgreSQL does not list such settings. The
    /// ones mentioned last are kept.
    void learn_custom_setting(const std::string& name);
    /// @return these and those that functions set
    [[nodiscard]] std::vector<std::string> custom_settings() const;

private:
    [[nodiscard]] bool is_due(std::int64_t at) const;

    std::atomic<std::uint32_t> changes_{1};
    std::atomic<int> changing_{0};
    std::atomic<std::uint32_t> known_changes_{0};
    std::atomic<std::uint32_t> losses_{0};
    std::atomic<std::uint32_t> known_losses_{0};
    std::atomic<std::uint64_t> version_{0};
    std::atomic<std::int64_t> read_at_{0};   // ns; when known_changes_ is not 0
    std::atomic<std::int64_t> retry_at_{0};  // ns
    std::atomic<std::int64_t> sent_at_{0};   // ns; when somebody last took the errand
    std::atomic<bool> is_claimed_{false};

    mutable std::mutex mutex_;
    FunctionKnowledgePtr knowledge_;
    std::list<std::string> mentioned_;  // the latest first
    std::unordered_map<std::string_view, std::list<std::string>::iterator> places_;
};

}  // namespace weir::pool
