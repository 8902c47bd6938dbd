#pragma once

#include "pool/catalog_question.hpp"
#include "pool/shared_database.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/relation_catalog.hpp"
#include "sql/relation_rows.hpp"

namespace weir::proxy {

/// The relations of a database, as FunctionKnowledge::relations has them.
struct RelationKnowledge final : pool::CatalogDigest {
    explicit RelationKnowledge(const sql::RelationRows& rows)
        : catalog{rows}, server{rows.server()} {}

    sql::RelationCatalog catalog;
    std::string server;  ///< sql::RelationRows::server()
};

/// Reads from a database's catalog which of its functions may leave something in a session, by
/// their sources, and what runs them without being told. Nothing but a few numbers comes back where
/// the catalog is as it was.
/// @thread that of the backend it is asked over
class CatalogReading final : public pool::CatalogQuestion {
public:
    /// @param database whose knowledge was claimed
    /// What is to be known beside what functions leave in a session.
    struct Wishes {
        bool callable = false;   ///< all functions that may be called
        bool relations = false;  ///< and what reads and writes of relations mean
    };

    CatalogReading(pool::SharedDatabasePtr database, const Wishes& wishes, TimePoint now);
    CatalogReading(const CatalogReading&) = delete;
    CatalogReading& operator=(const CatalogReading&) = delete;
    CatalogReading(CatalogReading&&) = delete;
    CatalogReading& operator=(CatalogReading&&) = delete;
    ~CatalogReading() override;

    [[nodiscard]] const std::string& sql() const override { return sql_; }

    void on_row(ByteView body) override;

    void on_error() override { has_failed_ = true; }

    void on_end() override;

private:
    struct Function {
        std::uint64_t name = 0;  // hash
        bool is_plain = true;    // its name has no letters that encodings write differently
        bool is_hidden = false;  // something else than a function or a trigger calls it
        bool is_trigger = false;
        pool::Traits traits;
        std::vector<std::uint64_t> mentioned;
    };

    void add_function(std::string_view name, std::string_view language, std::string_view flags);
    void end_function();
    [[nodiscard]] pool::FunctionKnowledgePtr conclude();
    [[nodiscard]] pool::FunctionKnowledgePtr with_relations(
        pool::FunctionKnowledgePtr functions) const;
    void spread();

    pool::SharedDatabasePtr database_;
    TimePoint begun_at_;
    std::uint32_t changes_;
    std::uint32_t losses_ = 0;  // the same of those
    std::string sql_;
    std::string print_;
    std::string old_print_;
    std::vector<Function> functions_;
    std::vector<std::string> custom_settings_;
    std::vector<pool::CallableName> callable_;
    std::unique_ptr<sql::RelationRows> relations_;  // where they are wanted
    bool is_of_relations_ = false;                  // what comes now
    pool::Traits hidden_;
    // The one that is being read:
    std::string language_;
    std::string flags_;
    std::string source_;
    bool is_too_long_ = false;
    bool has_function_ = false;
    bool has_failed_ = false;
    bool is_over_ = false;
};

}  // namespace weir::proxy
