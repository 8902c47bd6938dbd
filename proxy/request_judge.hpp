#pragma once

#include "base/clock.hpp"
#include "base/session_effects.hpp"
#include "pool/catalog_question.hpp"
#include "pool/shared_database.hpp"
#include "proxy/catalog_reading.hpp"
#include "proxy/effects_memo.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "sql/cacheable.hpp"
#include "sql/facts_memo.hpp"
#include "sql/function_catalog.hpp"

namespace weir::proxy {

/// What a request is to the cache, as far as its digest tells.
struct CacheFacts {
    sql::Cacheability reads;
    sql::WriteSet writes;
    sql::BeginsCommitted begins = sql::BeginsCommitted::No;
};

/// What one database's functions may do in the name of a request: by the knowledge of the catalog,
/// and by what was found when such a request ran.
/// @thread its worker's
class RequestJudge {
public:
    static constexpr std::size_t kVerdictsMax = 32768;

    explicit RequestJudge(pool::SharedDatabasePtr database) : database_{std::move(database)} {}

    struct Verdict {
        pool::Traits traits;
        SessionEffects unseen;           ///< to be looked at
        bool is_worth_learning = false;  ///< what is found is, by learn()
        bool is_provisional = false;     ///< the catalog is yet to be read: ask again
        std::uint32_t changes = 0;       ///< DatabaseKnowledge::changes() it is based on
    };

    /// A request is about to run that is not inert.
    /// @param text all of it
    /// @param context what else decides what its names mean: who asks, and where names are sought
    [[nodiscard]] Verdict judge(const RequestEffects& effects,
                                std::string_view text,
                                std::uint64_t context,
                                TimePoint now);

    /// @return what a request may do, where that is known by now
    [[nodiscard]] pool::Traits reconsider(std::string_view text);

    /// It was found that requests of this digest leave this behind.
    /// @param digest mixed with the context
    /// @param explained something else is known to have left these
    void learn(std::uint64_t digest, SessionEffects found, SessionEffects explained) {
        memo_.learn(digest, found, explained);
    }

    /// @param wishes callable: read_facts() will be asked; relations: cache_facts()
    /// @return what to ask of the catalog, where it is this one's turn; else nullptr
    [[nodiscard]] std::unique_ptr<pool::CatalogQuestion> question(
        const CatalogReading::Wishes& wishes, TimePoint now);

    /// @return whether the catalog is known as it is now
    [[nodiscard]] bool is_informed(TimePoint now) const {
        return database_->knowledge.is_current(now);
    }

    /// @return whether it was read since a server was last lost, which may be another one since
    [[nodiscard]] bool is_of_server() const { return database_->knowledge.is_of_server(); }

    /// @return whether it is known as it was last, and nobody has changed it through us since
    [[nodiscard]] bool is_unchanged() const { return database_->knowledge.is_unchanged(); }

    /// @return whether this read is to run on the primary, where the catalog is read anew with it
    [[nodiscard]] bool takes_errand(TimePoint now) {
        return database_->knowledge.takes_errand(now);
    }

    /// @param context as for judge()
    /// @return whether a request is not known, or thought, to leave anything in its session
    [[nodiscard]] bool leaves_nothing(const RequestEffects& effects,
                                      std::string_view text,
                                      std::uint64_t context);

    /// @return what is known of a request for telling reads from writes
    [[nodiscard]] sql::FactsMemo::Known read_facts(std::uint64_t digest, std::string_view text);

    /// @return whether the result of a request may be kept, and what it writes; valid until asked
    /// again
    [[nodiscard]] const CacheFacts& cache_facts(std::uint64_t digest, std::string_view text);

    /// @return another number when cache_facts() may say something else
    [[nodiscard]] std::uint64_t version() {
        look_again();
        return version_;
    }

    /// @return which server the database is on, as sql::RelationRows::server() says; "" when it is
    /// not known
    [[nodiscard]] std::string_view server();

    /// A replica has refused such a request.
    void remember_as_write(std::uint64_t digest);

    [[nodiscard]] bool is_of(const pool::SharedDatabasePtr& database) const {
        return database_ == database;
    }

    [[nodiscard]] pool::DatabaseKnowledge& knowledge() { return database_->knowledge; }

private:
    struct Reads {
        std::unordered_map<std::uint64_t, CacheFacts> cached;  // by digest
        sql::FunctionCatalog functions;
        sql::FactsMemo memo;
    };

    void look_again();
    [[nodiscard]] Reads& reads();
    [[nodiscard]] const RelationKnowledge* relations() const;
    [[nodiscard]] pool::Traits traits_of(const RequestEffects& effects, std::string_view text);
    [[nodiscard]] pool::Traits read(std::string_view text, int depth) const;

    pool::SharedDatabasePtr database_;
    pool::FunctionKnowledgePtr known_;
    std::uint64_t version_ = 0;
    std::unordered_map<std::uint64_t, pool::Traits> verdicts_;  // by digest
    EffectsMemo memo_;
    std::unique_ptr<Reads> reads_;  // made when first asked for
};

}  // namespace weir::proxy
