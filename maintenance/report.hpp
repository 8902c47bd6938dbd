#pragma once

#include <optional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// Columns and rows of an answer to a person or a program; empty = NULL.
struct Report {
    struct Column {
        std::string name;
        bool is_number = false;
    };

    std::vector<Column> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;
};

}  // namespace weir::maintenance
