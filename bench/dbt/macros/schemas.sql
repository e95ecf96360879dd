{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or target.schema }}{% endmacro %}

{% macro landed(feed) %}read_parquet('{{ var("landed") }}/{{ feed }}/*/*.parquet', hive_partitioning = true){% endmacro %}

{# Of a night's rows those of the last days: late ones come up to three days after. #}
{% macro new_days(column) %}
{% if is_incremental() %}
where {{ column }} >= day_start((select max(day) - 3 from {{ this }}))
{% endif %}
{% endmacro %}
