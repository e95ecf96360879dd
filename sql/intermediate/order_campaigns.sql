-- The campaign that the till noted: that of an order's first line with one,
-- per day, with the customer's id as landed.
with order_lines as (
    select * from staging.order_lines
),

final as (
    select
        business_day(ordered_at) as day,
        order_id,
        customer_id,
        min(ordered_at) as noted_at,
        first_value(line_no order by ordered_at, line_no) as line_no,
        first_value(campaign_id order by ordered_at, line_no) as campaign_id
    from order_lines
    where
        campaign_id is not null
        and customer_id is not null
        and ordered_at is not null
    group by business_day(ordered_at), order_id, customer_id
)

select * from final
