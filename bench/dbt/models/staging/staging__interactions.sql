{{ config(alias='interactions', materialized='incremental', unique_key='interaction_id', incremental_strategy='delete+insert') }}
-- Of rows that came more than once, one: only those are sorted out.
with delivered as (
    select * from {{ landed('interactions') }}
    {% if is_incremental() %}where delivered > (select max(delivered) from {{ this }}){% endif %}
),

twice as (
    select interaction_id from delivered group by interaction_id having count(*) > 1
)

select * from delivered anti join twice using (interaction_id)
union all
select distinct on (interaction_id) * from delivered semi join twice using (interaction_id)
