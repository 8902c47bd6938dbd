#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "sql/function_catalog.hpp"

/// tests/data/routing_statements.txt and routing_functions.txt, read.
namespace weir::sql::test {

/// One line of the table; see the table's head.
struct RoutingCase {
    int line = 0;
    std::string route;
    std::string access;
    std::string functions;
    std::string tables;
    std::string statement;
};

inline std::vector<RoutingCase> routing_cases() {
    std::ifstream file{WEIR_DATA_DIR "/routing_statements.txt"};
    REQUIRE(file);
    std::vector<RoutingCase> cases;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.empty() || line.front() == '#') {
            continue;
        }
        std::vector<std::string> columns;
        constexpr std::string_view kBetween = " | ";
        constexpr std::size_t kColumns = 5;
        while (columns.size() + 1 < kColumns) {
            const std::size_t end = line.find(kBetween);
            REQUIRE_MESSAGE(end != std::string::npos, "line ", number);
            columns.push_back(line.substr(0, end));
            line.erase(0, end + kBetween.size());
        }
        for (std::size_t at = line.find("\\n"); at != std::string::npos; at = line.find("\\n")) {
            line.replace(at, 2, "\n");
        }
        cases.push_back({number, columns[0], columns[1], columns[2], columns[3], line});
    }
    return cases;
}

/// What kFunctionsQuery says of routing_schema.sql and of PostgreSQL's own functions in the table.
inline FunctionCatalog routing_knowledge() {
    std::ifstream file{WEIR_DATA_DIR "/routing_functions.txt"};
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
