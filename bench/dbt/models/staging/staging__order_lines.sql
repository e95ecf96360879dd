{{ config(alias='order_lines', materialized='incremental', unique_key=['order_id', 'line_no'], incremental_strategy='delete+insert') }}
with delivered as (
    select
        order_no as order_id,
        line_no,
        customer_no as customer_id,
        sold_at as ordered_at,
        sku as product_id,
        cast(quantity as decimal(18, 3)) as quantity,
        net_amount,
        margin,
        sales_channel as channel,
        campaign_code as campaign_id,
        delivered
    from {{ landed('orders') }}
    {% if is_incremental() %}where delivered > (select max(delivered) from {{ this }}){% endif %}
),

twice as (
    select order_id, line_no from delivered group by order_id, line_no having count(*) > 1
)

select * from delivered anti join twice using (order_id, line_no)
union all
select distinct on (order_id, line_no) * from delivered semi join twice using (order_id, line_no)
