#include "proxy/cache_clearing.hpp"

#include "proxy/catalog_reading.hpp"
#include "proxy/worker.hpp"

#include <memory>
#include <span>
#include <utility>

#include "sql/statement_facts.hpp"

namespace weir::proxy {

namespace {

using Told = CacheClearing::Told;

/// What of one database hangs on a table.
struct Dependents {
    bool is_known = true;  // that there is such a table, or none
    std::vector<std::uint32_t> tables;
};

Dependents dependents_of(Shared& shared,
                         const std::string& database,
                         const sql::QualifiedName& table) {
    const pool::SharedDatabasePtr known = shared.shared_databases.find(database);
    const pool::FunctionKnowledgePtr knowledge =
        known == nullptr ? nullptr : known->knowledge.knowledge();
    if (knowledge == nullptr || knowledge->relations == nullptr) {
        return {false, {}};
    }
    const auto& relations = static_cast<const RelationKnowledge&>(*knowledge->relations);
    sql::ReadSet read = relations.catalog.read_set(std::span{&table, 1});
    // Of the rest nothing is ever kept.
    return {read.why != sql::Uncacheable::Catalog, std::move(read.tables)};
}

}  // namespace

CacheClearing clear_table(Shared& shared, const std::string& table, TimePoint now) {
    const std::size_t dot = table.rfind('.');
    const sql::QualifiedName name =
        dot == std::string::npos ? sql::QualifiedName{{}, table}
                                 : sql::QualifiedName{table.substr(0, dot), table.substr(dot + 1)};
    CacheClearing done;
    done.is_everything = false;
    for (const cache::DatabasePtr& database : shared.cache->databases()) {
        Dependents found = dependents_of(shared, database->name(), name);
        if (!found.is_known) {
            done.is_everything = true;
            done.count += shared.cache->clear(database);
            done.told.push_back({database->name(), {cache::kWholeDatabase}});
        } else if (!found.tables.empty()) {
            done.count += shared.cache->clear(database, found.tables, now);
            done.told.push_back({database->name(), std::move(found.tables)});
        }
    }
    return done;
}

CacheClearing clear_all(Shared& shared, std::string_view pattern) {
    CacheClearing done;
    done.count = pattern.empty() ? shared.cache->clear() : shared.cache->clear_matching(pattern);
    for (const cache::DatabasePtr& database : shared.cache->databases()) {
        done.told.push_back({database->name(), {cache::kWholeDatabase}});
    }
    return done;
}

/// Meanwhile it could be fetched from there, as it was.
void tell_cleared(Shared& shared, std::vector<Told> told, TimePoint now) {
    auto writings = std::make_shared<std::vector<cache::Writing>>();
    for (const Told& one : told) {
        const bool is_everything = one.tables.front() == cache::kWholeDatabase;
        writings->push_back(shared.cache->begin_write(
            shared.cache->database(one.database, now),
            {.tables = is_everything ? std::vector<cache::TableId>{} : one.tables,
             .everything = is_everything},
            now));
    }
    const auto end = [writings] {
        for (cache::Writing& writing : std::exchange(*writings, {})) {
            writing.end(cache::Outcome::Committed, Clock::now());
        }
    };
    shared.workers.front()->post([told = std::move(told), end](Worker& worker) {
        cache::SharedResults* const results = worker.shared_results();
        auto untold = std::make_shared<std::size_t>(told.size());
        const auto note_told = [untold, end] {
            if (--*untold == 0) {
                end();
            }
        };
        for (const Told& one : told) {
            if (results == nullptr) {
                note_told();
                continue;
            }
            static_cast<void>(results->begin_write(one.database, one.tables, nullptr));
            const bool is_sent =
                results->end_write(one.database,
                                   one.tables,
                                   cache::WriteEnd::Known,
                                   [note_told](cache::SharedResults::Told) { note_told(); });
            if (!is_sent) {
                note_told();
            }
        }
    });
}

}  // namespace weir::proxy
