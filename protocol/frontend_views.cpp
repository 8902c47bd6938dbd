#include "protocol/frontend_views.hpp"

namespace weir::protocol {

namespace {

// PostgreSQL's text for a message whose fields and length disagree (pq_getmsgend and its
// neighbours).
auto violation() {
    return fail(
        ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, "invalid message format");
}

/// Reads a 16-bit count and as many 16-bit numbers.
std::optional<std::vector<std::uint16_t>> read_formats(ByteReader& reader) {
    const auto count = reader.u16();
    if (!count || reader.remaining() / sizeof(std::uint16_t) < *count) {
        return std::nullopt;
    }
    std::vector<std::uint16_t> formats(*count);
    for (std::uint16_t& format : formats) {
        format = reader.u16().value_or(0);
    }
    return formats;
}

/// Reads a 16-bit count and as many values, each with its length in front; length -1 is NULL.
std::optional<std::vector<std::optional<ByteView>>> read_values(ByteReader& reader) {
    constexpr std::int32_t kNull = -1;
    const auto count = reader.u16();
    if (!count || reader.remaining() / sizeof(kNull) < *count) {
        return std::nullopt;
    }
    std::vector<std::optional<ByteView>> values;
    values.reserve(*count);
    for (std::uint16_t i = 0; i < *count; ++i) {
        const auto length = reader.i32();
        if (!length || *length < kNull) {
            return std::nullopt;
        }
        if (*length == kNull) {
            values.emplace_back(std::nullopt);
            continue;
        }
        const auto value = reader.take(static_cast<std::size_t>(*length));
        if (!value) {
            return std::nullopt;
        }
        values.emplace_back(*value);
    }
    return values;
}

/// Reads what Describe and Close have in common.
template <class View>
Result<View> read_kind_and_name(ByteView body) {
    ByteReader reader{body};
    const auto kind = reader.u8();
    const auto name = reader.cstring();
    if (!kind || !name || reader.remaining() != 0 || (*kind != 'S' && *kind != 'P')) {
        return violation();
    }
    return View{static_cast<char>(*kind), *name};
}

}  // namespace

Result<QueryView> read_query(ByteView body) {
    ByteReader reader{body};
    const auto sql = reader.cstring();
    if (!sql || reader.remaining() != 0) {
        return violation();
    }
    return QueryView{*sql};
}

Result<ParseView> read_parse(ByteView body) {
    ByteReader reader{body};
    const auto name = reader.cstring();
    const auto sql = reader.cstring();
    const auto count = reader.u16();
    if (!name || !sql || !count || reader.remaining() != *count * sizeof(std::uint32_t)) {
        return violation();
    }
    ParseView view{*name, *sql, std::vector<std::uint32_t>(*count)};
    for (std::uint32_t& type : view.parameter_types) {
        type = reader.u32().value_or(0);
    }
    return view;
}

Result<BindNames> read_bind_names(ByteView body) {
    ByteReader reader{body};
    const auto portal = reader.cstring();
    const auto statement = reader.cstring();
    if (!portal || !statement) {
        return violation();
    }
    return BindNames{*portal, *statement, body.last(reader.remaining())};
}

Result<BindValues> read_bind_values(ByteView values) {
    ByteReader reader{values};
    auto parameter_formats = read_formats(reader);
    if (!parameter_formats) {
        return violation();
    }
    auto parameters = read_values(reader);
    if (!parameters) {
        return violation();
    }
    auto result_formats = read_formats(reader);
    if (!result_formats || reader.remaining() != 0) {
        return violation();
    }
    return BindValues{
        std::move(*parameter_formats), std::move(*parameters), std::move(*result_formats)};
}

Result<BindView> read_bind(ByteView body) {
    const auto names = read_bind_names(body);
    if (!names) {
        return fail(names.error());
    }
    auto values = read_bind_values(names->values);
    if (!values) {
        return fail(values.error());
    }
    return BindView{names->portal,
                    names->statement,
                    std::move(values->parameter_formats),
                    std::move(values->parameters),
                    std::move(values->result_formats)};
}

Result<DescribeView> read_describe(ByteView body) {
    return read_kind_and_name<DescribeView>(body);
}

Result<ExecuteView> read_execute(ByteView body) {
    ByteReader reader{body};
    const auto portal = reader.cstring();
    const auto max_rows = reader.u32();
    if (!portal || !max_rows || reader.remaining() != 0) {
        return violation();
    }
    // PostgreSQL takes every number below one for "all".
    const bool is_limited = static_cast<std::int32_t>(*max_rows) > 0;
    return ExecuteView{*portal, is_limited ? *max_rows : 0};
}

Result<CloseView> read_close(ByteView body) {
    return read_kind_and_name<CloseView>(body);
}

Result<SaslInitialView> read_sasl_initial(ByteView body) {
    constexpr std::uint32_t kAbsent = 0xffffffff;
    ByteReader reader{body};
    const auto mechanism = reader.cstring();
    const auto length = reader.u32();
    if (!mechanism || !length) {
        return violation();
    }
    const std::size_t expected = *length == kAbsent ? 0 : std::size_t{*length};
    if (reader.remaining() != expected) {
        return violation();
    }
    return SaslInitialView{*mechanism, as_text(reader.rest())};
}

Result<std::string_view> read_password(ByteView body) {
    ByteReader reader{body};
    const auto password = reader.cstring();
    if (!password || reader.remaining() != 0) {
        return violation();
    }
    return *password;
}

}  // namespace weir::protocol
