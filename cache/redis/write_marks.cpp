#include "cache/redis/write_marks.hpp"

#include <algorithm>

namespace weir::cache {

WriteMarks::Database& WriteMarks::database(std::string_view name) {
    const auto found = databases_.find(name);
    return found != databases_.end() ? found->second : databases_[std::string{name}];
}

bool WriteMarks::Database::is_writing(TableId table, TimePoint now) const {
    const auto found = writing.find(table);
    return found != writing.end() && found->second.is_on(now);
}

Telling WriteMarks::begin(std::string_view database_name, std::span<const TableId> tables) {
    Telling telling{std::string{database_name}, {}};
    Database& into = database(database_name);
    for (const TableId table : tables) {
        ++into.writing[table].writes;
        telling.tables.push_back({table, Mark::Set});
    }
    return telling;
}

Telling WriteMarks::again(std::string_view database_name, std::span<const TableId> tables) {
    Telling telling{std::string{database_name}, {}};
    for (const TableId table : tables) {
        telling.tables.push_back({table, Mark::Set});
    }
    return telling;
}

Telling WriteMarks::end(std::string_view database_name,
                        std::span<const TableId> tables,
                        WriteEnd how,
                        TimePoint now) {
    Telling telling{std::string{database_name}, {}};
    Database& from = database(database_name);
    for (const TableId table : tables) {
        Writing& writing = from.writing[table];
        writing.writes -= std::min(writing.writes, 1U);
        if (how == WriteEnd::Unknown) {
            writing.unknown_until = now + lapse_;
        }
        const bool is_quiet = !writing.is_on(now);
        telling.tables.push_back({table, is_quiet ? Mark::Clear : Mark::Leave});
        if (is_quiet) {
            from.writing.erase(table);
        }
    }
    return telling;
}

bool WriteMarks::add_untold(Database& into, TableId table) {
    // All the tables do not say that the catalog is another one.
    const bool is_covered = table != kSchema && into.untold.count(kWholeDatabase) > 0;
    if (is_covered || into.untold.count(table) > 0) {
        return false;
    }
    const bool is_too_many =
        table != kWholeDatabase && table != kSchema && untold_count_ >= untold_max_;
    if (is_too_many || table == kWholeDatabase) {
        untold_count_ -= std::erase_if(into.untold, [](TableId one) { return one != kSchema; });
    }
    into.untold.insert(is_too_many ? kWholeDatabase : table);
    ++untold_count_;
    return is_too_many;
}

bool WriteMarks::remember(const Telling& telling) {
    Database& into = database(telling.database);
    bool were_too_many = false;
    for (const TableTelling& table : telling.tables) {
        were_too_many = add_untold(into, table.table) || were_too_many;
    }
    return were_too_many;
}

Telling WriteMarks::next_untold(TimePoint now) {
    const auto found = std::find_if(databases_.begin(), databases_.end(), [](const auto& entry) {
        return !entry.second.untold.empty();
    });
    if (found == databases_.end()) {
        return {};
    }
    Telling telling{found->first, {}};
    Database& from = found->second;
    Mark said = Mark::Set;
    for (const TableId table : from.untold) {
        const Mark mark = from.is_writing(table, now) ? Mark::Set : Mark::Clear;
        if (mark == Mark::Clear && said == Mark::Set) {  // what is over comes first
            said = Mark::Clear;
            telling.tables.clear();
        }
        if (mark == said) {
            telling.tables.push_back({table, mark});
        }
    }
    for (const TableTelling& table : telling.tables) {
        from.untold.erase(table.table);
        --untold_count_;
    }
    // The marks are each table's own also where all the tables were told of as one.
    if (said == Mark::Clear && telling.tables.front().table == kWholeDatabase) {
        for (const auto& [table, writing] : from.writing) {
            const bool is_new = from.is_writing(table, now) && from.untold.insert(table).second;
            untold_count_ += is_new ? 1 : 0;
        }
    }
    return telling;
}

void WriteMarks::forget_marks(TimePoint now) {
    for (auto& [name, of] : databases_) {
        std::erase_if(of.writing, [now](const auto& entry) { return !entry.second.is_on(now); });
        for (const auto& [table, writing] : of.writing) {
            add_untold(of, table);
        }
    }
}

}  // namespace weir::cache
