#include "proxy/catalog_reading.hpp"

#include "base/log.hpp"
#include "protocol/backend_views.hpp"
#include "proxy/catalog_query.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "sql/function_catalog.hpp"
#include "sql/function_source.hpp"
#include "sql/relation_query.hpp"

namespace weir::proxy {

using pool::Traits;

namespace {

constexpr std::size_t kColumns = 5;
/// A row of another width stands between the rows of the two questions.
constexpr std::string_view kRelationsFollow = "; SELECT 'relations'; ";
/// A database with more functions, or longer ones, is taken for one that may do anything.
constexpr std::size_t kFunctionsMax = 50'000;
constexpr std::size_t kSourceBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kCustomSettingsMax = 256;
constexpr std::size_t kPrintBytesMax = 64;

constexpr Traits anything() {
    Traits traits{Traits::LeavesState};
    traits |= Traits::LeavesUnlisted;
    traits |= Traits::Writes;
    return traits;
}

bool is_ascii(std::string_view text) {
    return std::all_of(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// What one is, whose source is the name it has in C.
Traits traits_of_symbol(std::string_view symbol) {
    if (symbol.starts_with("dblink_connect") ||
        symbol.starts_with("pg_replication_origin_session_setup")) {
        Traits traits{Traits::LeavesState};
        traits |= Traits::Lasts;
        return traits;
    }
    if (symbol.starts_with("dblink_") || symbol.starts_with("pg_replication_origin_")) {
        return {};
    }
    return anything();
}

Traits traits_of_source(const sql::FunctionSource& source) {
    Traits traits;
    if (!source.known.empty()) {
        traits |= Traits::LeavesState;
    }
    if (source.known.has(SessionEffect::Lasting)) {
        traits |= Traits::Lasts;
    }
    if (source.has_unnamed_setting) {
        traits |= Traits::LeavesState;
        traits |= Traits::SetsUnnamed;
    }
    if (source.is_dynamic) {
        traits |= anything();
    }
    if (source.writes) {
        traits |= Traits::Writes;
    }
    return traits;
}

using TraitsByName = std::unordered_map<std::uint64_t, Traits>;

Traits traits_of_all(const std::vector<std::uint64_t>& names, const TraitsByName& by_name) {
    Traits traits;
    for (const std::uint64_t name : names) {
        if (const auto found = by_name.find(name); found != by_name.end()) {
            traits |= found->second;
        }
    }
    return traits;
}

}  // namespace

CatalogReading::CatalogReading(pool::SharedDatabasePtr database,
                               const Wishes& wishes,
                               TimePoint now)
    : database_{std::move(database)},
      begun_at_{now},
      changes_{database_->knowledge.changes()},
      losses_{database_->knowledge.losses()} {
    if (const pool::FunctionKnowledgePtr known = database_->knowledge.knowledge();
        known != nullptr && (!wishes.callable || !known->callable.empty())) {
        old_print_ = known->print;
    }
    sql_ = catalog_query(old_print_, wishes.callable);
    if (wishes.relations) {
        relations_ = std::make_unique<sql::RelationRows>();
        sql_.append(kRelationsFollow).append(sql::relations_query());
    }
}

CatalogReading::~CatalogReading() {
    if (!is_over_) {
        database_->knowledge.fail(begun_at_);
    }
}

void CatalogReading::on_row(ByteView body) {
    std::array<std::optional<std::string_view>, kColumns> row;
    if (!protocol::read_data_row(body, row)) {
        // Of a statement before one of the two questions: the second follows what the first says.
        is_of_relations_ = is_of_relations_ || !print_.empty();
        return;
    }
    if (is_of_relations_) {
        if (relations_ != nullptr) {
            relations_->add(row);
        }
        return;
    }
    const std::string_view kind = row[0].value_or("");
    const std::string_view name = row[1].value_or("");
    if (kind == "print") {
        const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        });
        has_failed_ = has_failed_ || !is_plain || name.empty() || name.size() > kPrintBytesMax;
        print_ = name;
    } else if (kind == "callable") {
        if (callable_.size() <= sql::FunctionCatalog::kRowsMax) {
            const std::string_view word = row[3].value_or("");
            callable_.push_back({std::string{name},
                                 std::string{row[2].value_or("")},
                                 word.size() == 1 ? word.front() : 'v'});
        }
    } else if (kind == "hidden") {
        hidden_ |= anything().on_session();
    } else if (kind == "function") {
        if (!name.empty()) {
            add_function(name, row[2].value_or(""), row[3].value_or(""));
        }
        if (source_.size() + row[4].value_or("").size() > kSourceBytesMax) {
            is_too_long_ = true;
        } else {
            source_ += row[4].value_or("");
        }
    }
}

void CatalogReading::add_function(std::string_view name,
                                  std::string_view language,
                                  std::string_view flags) {
    end_function();
    if (functions_.size() >= kFunctionsMax) {
        hidden_ |= anything().on_session();
        return;
    }
    const std::string bytes = sql::without_escapes(name);
    Function function;
    function.name = sql::hash_of_name(bytes);
    function.is_plain = is_ascii(bytes);
    function.is_hidden = flags.find('h') != std::string_view::npos;
    function.is_trigger = flags.find('t') != std::string_view::npos;
    functions_.push_back(std::move(function));
    language_ = language;
    flags_ = flags;
    has_function_ = true;
}

/// Its source is complete.
void CatalogReading::end_function() {
    const std::string text = sql::without_escapes(std::exchange(source_, {}));
    const bool is_too_long = std::exchange(is_too_long_, false);
    if (!std::exchange(has_function_, false)) {
        return;
    }
    Function& mine = functions_.back();
    const bool is_symbol = language_ == "c" || language_ == "internal";
    if (is_symbol) {
        const std::size_t end = text.find(" ; ");
        mine.traits = traits_of_symbol(text.substr(0, end));
    }
    if (is_too_long || (!is_symbol && language_ != "sql" && language_ != "plpgsql")) {
        mine.traits |= anything();
    } else {
        sql::FunctionSource source = sql::read_function_source(text);
        mine.traits |= traits_of_source(source);
        mine.mentioned = std::move(source.names);
        for (std::string& name : source.custom_settings) {
            if (custom_settings_.size() < kCustomSettingsMax) {
                custom_settings_.push_back(std::move(name));
            } else if (std::find(custom_settings_.begin(), custom_settings_.end(), name) ==
                       custom_settings_.end()) {
                hidden_ |= Traits::LeavesUnlisted;
            }
        }
        std::sort(custom_settings_.begin(), custom_settings_.end());
        custom_settings_.erase(std::unique(custom_settings_.begin(), custom_settings_.end()),
                               custom_settings_.end());
    }
    if (flags_.find('s') != std::string::npos) {
        mine.traits |= Traits::LeavesState;
        mine.traits |= Traits::Lasts;
    }
}

/// What a function calls does what it does.
void CatalogReading::spread() {
    TraitsByName by_name;
    for (const Function& function : functions_) {
        by_name[function.name] |= function.traits;
    }
    for (bool has_grown = true; has_grown;) {
        has_grown = false;
        for (Function& function : functions_) {
            const Traits traits = function.traits | traits_of_all(function.mentioned, by_name);
            has_grown = has_grown || traits != function.traits;
            function.traits = traits;
            by_name[function.name] |= traits;
        }
    }
}

pool::FunctionKnowledgePtr CatalogReading::conclude() {
    auto fresh = std::make_shared<pool::FunctionKnowledge>();
    fresh->print = print_;
    spread();
    for (const Function& function : functions_) {
        if (function.is_trigger) {
            fresh->on_write |= function.traits.on_session();
        }
    }
    if (!fresh->on_write.empty()) {
        for (Function& function : functions_) {
            if (function.traits.has(Traits::Writes)) {
                function.traits |= fresh->on_write;
            }
        }
        spread();
    }
    fresh->hidden = hidden_;
    for (const Function& function : functions_) {
        const Traits traits = function.traits.on_session();
        if (traits.empty()) {
            continue;
        }
        fresh->functions[function.name] |= traits;
        if (function.is_hidden || !function.is_plain) {
            fresh->hidden |= traits;
        }
    }
    fresh->custom_settings = std::move(custom_settings_);
    fresh->callable = std::move(callable_);
    return fresh;
}

void CatalogReading::on_end() {
    end_function();
    is_over_ = true;
    if (has_failed_ || print_.empty()) {
        log::info("catalog_not_read", {});
        database_->knowledge.fail(begun_at_);
        return;
    }
    const bool is_same = print_ == old_print_;
    pool::FunctionKnowledgePtr fresh = is_same ? nullptr : conclude();
    if (relations_ != nullptr) {
        fresh = with_relations(std::move(fresh));
    }
    database_->knowledge.renew(std::move(fresh), changes_, begun_at_, losses_);
}

/// @param functions nullptr: they are what they were
/// @return nullptr: so is everything
pool::FunctionKnowledgePtr CatalogReading::with_relations(
    pool::FunctionKnowledgePtr functions) const {
    const pool::FunctionKnowledgePtr old = database_->knowledge.knowledge();
    const auto* known =
        old == nullptr ? nullptr : static_cast<const RelationKnowledge*>(old->relations.get());
    const bool is_same = known != nullptr && known->catalog.version() == relations_->version();
    if (functions == nullptr && (is_same || old == nullptr)) {
        return nullptr;
    }
    auto fresh =
        std::make_shared<pool::FunctionKnowledge>(functions == nullptr ? *old : *functions);
    fresh->relations =
        is_same ? old->relations : std::make_shared<const RelationKnowledge>(*relations_);
    return fresh;
}

}  // namespace weir::proxy
