#include "maintenance/partition_name.hpp"

#include "conf/partition_name.hpp"

#include <algorithm>
#include <charconv>

namespace weir::maintenance {

namespace {

/// "2026-12-01 07:30:00", in parts; years may have more than four digits.
struct Wall {
    std::string year, month, day, hour, minute, second;
};

Wall parts_of(const std::string& wall) {
    constexpr std::size_t kBehindYear = 15;  // "-12-01 07:30:00"
    if (wall.size() <= kBehindYear) {
        return {};
    }
    const std::size_t at = wall.size() - kBehindYear;
    return {wall.substr(0, at),
            wall.substr(at + 1, 2),
            wall.substr(at + 4, 2),
            wall.substr(at + 7, 2),
            wall.substr(at + 10, 2),
            wall.substr(at + 13, 2)};
}

std::string quarter_of(const Wall& wall) {
    constexpr int kMonths = 3;
    int month = 1;
    std::from_chars(wall.month.data(), wall.month.data() + wall.month.size(), month);
    return std::to_string((month - 1) / kMonths + 1);
}

/// In names a minus sign and blanks would have to be quoted for ever.
std::string plain(std::string text) {
    std::replace(text.begin(), text.end(), '-', 'm');
    return text;
}

std::string value_of(const conf::NamePart& part, const Wall& wall, const KeyPoint& lo) {
    using Kind = conf::NamePart::Kind;
    switch (part.kind) {
        case Kind::Text: return part.text;
        case Kind::Table: return {};
        case Kind::Low: return plain(lo.wall);
        case Kind::Year: return wall.year;
        case Kind::Quarter: return quarter_of(wall);
        case Kind::Month: return wall.month;
        case Kind::Day: return wall.day;
        case Kind::Hour: return wall.hour;
        case Kind::Minute: return wall.minute;
        case Kind::Second: return wall.second;
    }
    return {};
}

/// Times have no {lo}, integers nothing else.
bool fits(const conf::NamePart& part, bool is_number) {
    using Kind = conf::NamePart::Kind;
    return part.kind == Kind::Text || part.kind == Kind::Table ||
           (part.kind == Kind::Low) == is_number;
}

std::string usual_template(const conf::KeyStep& interval) {
    constexpr std::int64_t kYear = 12;
    if (interval.is_number()) {
        return "{table}_p{lo}";
    }
    if (interval.span.months > 0) {
        return interval.span.months % kYear == 0 ? "{table}_p{YYYY}" : "{table}_p{YYYYMM}";
    }
    const bool is_days = interval.span.time.count() == 0;
    return is_days ? "{table}_p{YYYYMMDD}" : "{table}_p{YYYYMMDD_HH24MI}";
}

}  // namespace

Answer<std::string> partition_name(const std::string& name_template,
                                   const conf::KeyStep& interval,
                                   const std::string& table,
                                   const KeyPoint& lo) {
    const std::string text = name_template.empty() ? usual_template(interval) : name_template;
    const auto parts = conf::parse_partition_name(text);
    if (!parts.value) {
        return problem("name " + text + " " + parts.problem);
    }
    const Wall wall = interval.is_number() ? Wall{} : parts_of(lo.wall);
    std::string front;  // up to the table's name and with it: what is cut
    std::string back;
    for (const conf::NamePart& part : *parts.value) {
        if (!fits(part, interval.is_number())) {
            return problem("name " + text + " does not fit the key",
                           "{lo} is for integers, {YYYY}, {MM} and so on are for times");
        }
        if (part.kind == conf::NamePart::Kind::Table) {
            front += back + table;
            back.clear();
        } else {
            back += value_of(part, wall, lo);
        }
    }
    return fit_name(front, back + (lo.is_repeated ? "_dst" : ""));
}

std::string finer_name(const std::string& name, const KeyPoint& lo) {
    const Wall wall = parts_of(lo.wall);
    const std::string suffix =
        wall.year.empty()
            ? plain(lo.wall)
            : wall.year + wall.month + wall.day +
                  (wall.hour + wall.minute == "0000" ? "" : "_" + wall.hour + wall.minute);
    return fit_name(name, "_" + suffix);
}

}  // namespace weir::maintenance
