#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/function_catalog.hpp"
#include "sql/relation_catalog.hpp"

/// tests/data/relation_*.txt, read.
namespace weir::sql::test {

/// Cuts a line into as many columns as are wanted; the last one has the rest.
inline std::vector<std::string> columns_of(std::string line, std::size_t count) {
    std::vector<std::string> columns;
    while (columns.size() + 1 < count) {
        constexpr std::string_view kBetween = " | ";
        std::size_t end = line.find(kBetween);
        if (end == std::string::npos && line.ends_with(" |")) {
            line += ' ';
            end = line.size() - kBetween.size();
        }
        REQUIRE_MESSAGE(end != std::string::npos, line);
        columns.push_back(line.substr(0, end));
        line.erase(0, end + kBetween.size());
    }
    for (std::size_t at = line.find("\\n"); at != std::string::npos; at = line.find("\\n")) {
        line.replace(at, 2, "\n");
    }
    columns.push_back(line);
    return columns;
}

/// What relations_query() says of relation_schema.sql, with names in the place of numbers.
class RelationTable {
public:
    RelationTable() {
        std::ifstream file{WEIR_DATA_DIR "/relation_rows.txt"};
        REQUIRE(file);
        for (std::string line; std::getline(file, line);) {
            std::vector<std::string> row = columns_of(line, RelationRows::kColumns);
            row[1] = number_of(row[1]);
            if (row[0] != "relation" && row[0] != "function") {
                row[2] = number_of(row[2]);
            }
            add({row[0], row[1], row[2], row[3], row[4]});
        }
    }

    void add(const std::array<std::string_view, RelationRows::kColumns>& row) {
        std::array<std::optional<std::string_view>, RelationRows::kColumns> columns;
        std::copy(row.begin(), row.end(), columns.begin());
        rows.add(columns);
    }

    /// @return the number of a relation or function; of a number, itself
    std::string number_of(const std::string& name) {
        if (name.empty() || (name.front() >= '0' && name.front() <= '9')) {
            return name;
        }
        constexpr std::uint32_t kFirst = 20000;
        const auto number = kFirst + static_cast<std::uint32_t>(numbers_.size());
        const auto [known, is_new] = numbers_.emplace(name, number);
        if (is_new) {
            names_[number] = name;
        }
        return std::to_string(known->second);
    }

    /// @return the tables' names, those of public without their schema, sorted
    [[nodiscard]] std::string names_of(const std::vector<std::uint32_t>& tables) const {
        std::vector<std::string> names;
        for (const std::uint32_t table : tables) {
            const std::string& name = names_.at(table);
            names.push_back(name.starts_with("public.") ? name.substr(7) : name);
        }
        std::sort(names.begin(), names.end());
        std::string list;
        for (const std::string& name : names) {
            list += (list.empty() ? "" : ",") + name;
        }
        return list.empty() ? "-" : list;
    }

    RelationRows rows;

private:
    std::map<std::string, std::uint32_t> numbers_;
    std::map<std::uint32_t, std::string> names_;
};

/// What kFunctionsQuery says of that schema, and of PostgreSQL's own functions in the table.
inline FunctionCatalog relation_functions() {
    std::ifstream file{WEIR_DATA_DIR "/relation_functions.txt"};
    REQUIRE(file);
    std::vector<std::string> words;
    for (std::string word; file >> word;) {
        words.push_back(word);
    }
    std::vector<FunctionRow> rows;
    for (std::size_t i = 0; i + 2 < words.size(); i += 3) {
        rows.push_back({words[i], words[i + 1], volatility_of(words[i + 2])});
    }
    return FunctionCatalog{rows};
}

}  // namespace weir::sql::test
