#include "admin/report_table.hpp"

#include "admin/http_api.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

namespace weir::admin {

namespace {

/// A cell of aligned text goes on in the next line here, but for the last one of a row.
constexpr std::size_t kCellMax = 60;
/// And is cut when it has so many.
constexpr std::size_t kCellLines = 8;
constexpr int kDecimals = 3;

bool is_number(ColumnType type) {
    return type != ColumnType::Text;
}

/// @param decimals of a number with a fraction; below zero = as many as it has
std::string text_of(const Cell& cell, int decimals) {
    std::array<char, 400> digits{};
    char* const end = digits.data() + digits.size();
    if (const auto* text = std::get_if<std::string>(&cell)) {
        return *text;
    }
    if (const auto* whole = std::get_if<std::int64_t>(&cell)) {
        return std::to_string(*whole);
    }
    if (const auto* real = std::get_if<double>(&cell)) {
        const auto [last, error] =
            decimals < 0
                ? std::to_chars(digits.data(), end, *real)
                : std::to_chars(digits.data(), end, *real, std::chars_format::fixed, decimals);
        return {digits.data(), last};
    }
    return {};
}

std::string for_terminal(const Cell& cell) {
    std::string text = text_of(cell, kDecimals);
    std::replace_if(
        text.begin(),
        text.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; },
        ' ');
    return text;
}

/// @return the text in lines; broken between two words, or else two characters of UTF-8
std::vector<std::string> wrapped(std::string_view text) {
    std::vector<std::string> lines;
    while (text.size() > kCellMax && lines.size() + 1 < kCellLines) {
        std::size_t end = text.rfind(' ', kCellMax);
        const bool is_between_words = end != std::string_view::npos && end > 0;
        end = is_between_words ? end : cut_utf8(text, kCellMax).size();
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end + (is_between_words ? 1 : 0));
    }
    const std::string_view rest = cut_utf8(text, kCellMax);
    lines.emplace_back(std::string{rest} + (rest.size() < text.size() ? "…" : ""));
    return lines;
}

/// Adds a row as lines of cells: as many as its longest cell has.
void add_lines(const Row& row, std::vector<std::vector<std::string>>& lines) {
    const std::size_t first = lines.size();
    for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string text = for_terminal(row[i]);
        const std::vector<std::string> cell =
            i + 1 < row.size() ? wrapped(text) : std::vector<std::string>{text};
        lines.resize(std::max(lines.size(), first + cell.size()));
        for (std::size_t j = 0; j < cell.size(); ++j) {
            lines[first + j].resize(row.size());
            lines[first + j][i] = cell[j];
        }
    }
}

/// @return characters of UTF-8
std::size_t width_of(std::string_view text) {
    constexpr unsigned kTwoBits = 0xC0;
    constexpr unsigned kFollows = 0x80;
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & kTwoBits) != kFollows;
    }));
}

void print_text(std::ostream& out, std::span<const Column> columns, std::span<const Row> rows) {
    std::vector<std::vector<std::string>> lines(1);
    for (const Column& column : columns) {
        lines[0].emplace_back(column.name);
    }
    for (const Row& row : rows) {
        add_lines(row, lines);
    }
    std::vector<std::size_t> widths(columns.size());
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(line[i]));
        }
    }
    for (const auto& line : lines) {
        std::string text;
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::string pad(widths[i] - width_of(line[i]), ' ');
            text += i == 0 ? "" : "  ";
            text += is_number(columns[i].type) ? pad + line[i] : line[i] + pad;
        }
        text.resize(text.find_last_not_of(' ') + 1);
        out << text << '\n';
    }
}

std::string csv_field(const std::string& text) {
    if (text.find_first_of("\",\r\n") == std::string::npos) {
        return text;
    }
    std::string quoted = "\"";
    for (const char c : text) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + "\"";
}

}  // namespace

void print_csv_header(std::ostream& out, std::span<const Column> columns) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
        out << (i == 0 ? "" : ",") << csv_field(std::string{columns[i].name});
    }
    out << "\r\n";
}

void print_csv_rows(std::ostream& out, std::span<const Row> rows) {
    constexpr int kAll = -1;
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out << (i == 0 ? "" : ",") << csv_field(text_of(row[i], kAll));
        }
        out << "\r\n";
    }
}

void print_report(std::ostream& out,
                  ReportForm form,
                  std::span<const Column> columns,
                  std::span<const Row> rows,
                  const std::string& next) {
    switch (form) {
        case ReportForm::Json: out << page_json(columns, rows, next); return;
        case ReportForm::Csv:
            print_csv_header(out, columns);
            print_csv_rows(out, rows);
            return;
        case ReportForm::Text: break;
    }
    print_text(out, columns, rows);
    if (!next.empty()) {
        out << "\nmore: --cursor " << next << '\n';
    }
}

}  // namespace weir::admin
